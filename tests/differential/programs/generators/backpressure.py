import ray
import time


@ray.remote
class Seen:
    def __init__(self):
        self.n = 0

    def set(self, n):
        self.n = n

    def get(self):
        return self.n


seen = Seen.remote()


@ray.remote(_generator_backpressure_num_objects=2)
def items():
    for i in range(6):
        ray.get(seen.set.remote(i + 1))
        yield i


generator = items.remote()
time.sleep(0.7)
print(ray.get(seen.get.remote()) <= 3)
print([ray.get(ref) for ref in generator], ray.get(seen.get.remote()))
show("zero", lambda: items.options(_generator_backpressure_num_objects=0).remote())
