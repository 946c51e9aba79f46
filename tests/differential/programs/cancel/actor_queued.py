import ray
import time


@ray.remote
class A:
    def slow(self):
        time.sleep(1)
        return "slow"

    def quick(self):
        return "quick"


a = A.remote()
first, second, third = a.slow.remote(), a.quick.remote(), a.quick.remote()
ray.cancel(second)
show("first", lambda: ray.get(first))
show("second", lambda: ray.get(second))
show("third", lambda: ray.get(third))
