import ray
import numpy as np


@ray.remote
def blocks(n):
    for i in range(n):
        yield np.full(200_000, i)


print([int(ray.get(ref)[-1]) for ref in blocks.remote(6)])
generator = blocks.remote(4)
refs = list(generator)
print([int(array.sum()) for array in ray.get(refs)])
