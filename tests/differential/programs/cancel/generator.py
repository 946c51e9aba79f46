import ray
import time


@ray.remote
def items():
    for i in range(1000):
        yield i
        time.sleep(0.05)


generator = items.remote()
print(ray.get(next(generator)))
ray.cancel(generator)
try:
    for ref in generator:
        ray.get(ref)
    print("all")
except ray.exceptions.RayError as error:
    print(type(error).__name__)
