# session: resources={"special": 2}, num_gpus=2
import os

import ray


@ray.remote(num_gpus=1)
def one():
    return len(ray.get_gpu_ids()), os.environ.get("CUDA_VISIBLE_DEVICES") == ",".join(map(str, ray.get_gpu_ids()))


@ray.remote(num_gpus=2)
def two():
    return sorted(ray.get_gpu_ids()), os.environ["CUDA_VISIBLE_DEVICES"]


@ray.remote
def none():
    return ray.get_gpu_ids(), os.environ.get("CUDA_VISIBLE_DEVICES")


@ray.remote(num_gpus=0.5)
class Half:
    def ids(self):
        return ray.get_gpu_ids()

    def accelerators(self):
        return ray.get_runtime_context().get_accelerator_ids()["GPU"]


print(ray.get([one.remote(), one.remote()]))
print(ray.get(two.remote()))
print(ray.get(none.remote()), ray.get_gpu_ids())
a, b = Half.remote(), Half.remote()
print(ray.get([a.ids.remote(), b.ids.remote()]), ray.get(a.accelerators.remote()))
show("fraction above one", lambda: one.options(num_gpus=1.5).remote())
