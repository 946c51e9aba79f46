import ray

import numpy as np

values = [np.arange(5), np.zeros((300, 400), order="F"), np.zeros(0), np.arange(6.0)[::2]]
for value in values:
    back = ray.get(ray.put(value))
    print(back.dtype, back.shape, back.flags.f_contiguous, bool((back == value).all()))

def write():
    back = ray.get(ray.put(np.zeros(100_000)))
    back[0] = 1

show("write", write)
