import ray
import threading


@ray.remote(concurrency_groups={"io": 2, "compute": 1})
class A:
    def __init__(self):
        self.barrier = threading.Barrier(2)

    @ray.method(concurrency_group="io")
    def meet(self):
        self.barrier.wait(20)
        return threading.current_thread().name != ""

    @ray.method(concurrency_group="compute")
    def compute(self):
        return "computed"

    def default(self):
        return "default"


a = A.remote()
refs = [a.meet.remote(), a.meet.remote()]
print(ray.get([a.compute.remote(), a.default.remote()]), ray.get(refs))
print(ray.get(a.default.options(concurrency_group="io").remote()))
show("unknown", lambda: ray.get(a.default.options(concurrency_group="none").remote()))
