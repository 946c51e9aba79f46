import ray


@ray.remote(concurrency_groups={"io": 2, "compute": 1})
class A:
    def __init__(self):
        import threading

        self.barrier = threading.Barrier(2)
        self.running = 0

    @ray.method(concurrency_group="io")
    def meet(self):
        return self.barrier.wait(10) in (0, 1)

    @ray.method(concurrency_group="compute")
    def alone(self):
        self.running += 1
        found = self.running
        self.running -= 1
        return found

    def default(self):
        import threading

        return threading.current_thread().name != ""


a = A.remote()
print(ray.get([a.meet.remote(), a.meet.remote()], timeout=20))
print(ray.get([a.alone.remote() for _ in range(20)]) == [1] * 20)
print(ray.get(a.default.remote()), ray.get(a.default.options(concurrency_group="io").remote()))
show("unknown", lambda: ray.get(a.default.options(concurrency_group="none").remote(), timeout=10))
