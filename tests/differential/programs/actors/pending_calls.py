import ray
import time


@ray.remote(max_pending_calls=2)
class A:
    def slow(self):
        time.sleep(0.3)
        return 1


a = A.remote()
ray.get(a.slow.remote())
refs = []


def flood():
    for _ in range(10):
        refs.append(a.slow.remote())


show("flood", flood)
print(set(ray.get(refs)))
