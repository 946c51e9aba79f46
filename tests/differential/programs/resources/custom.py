# session: resources={"special": 2}, num_gpus=2
import time

import ray


@ray.remote(num_cpus=0, resources={"special": 1})
class Peak:
    def __init__(self):
        self.running = self.highest = 0


@ray.remote(num_cpus=0, resources={"special": 1})
def span():
    begun = time.monotonic()
    time.sleep(0.03)
    return begun, time.monotonic()


def at_once(spans):
    return max(sum(begun <= moment < ended for begun, ended in spans) for moment, _ in spans)


print(at_once(ray.get([span.remote() for _ in range(6)])))
print(at_once(ray.get([span.options(resources={"special": 2}).remote() for _ in range(3)])))
impossible = span.options(resources={"special": 3}).remote()
unknown = span.options(resources={"other": 1}).remote()
print(ray.wait([impossible, unknown], timeout=0.05)[0])
ray.cancel(impossible)
ray.cancel(unknown)
show("cancelled", lambda: ray.get(impossible, timeout=10))
show("cancelled", lambda: ray.get(unknown, timeout=10))
