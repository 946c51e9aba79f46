import ray
import numpy as np


@ray.remote
def make():
    return {"a": np.arange(5), "b": [np.ones((2, 2)), "text"], "c": (np.zeros(3, dtype="i1"),)}


value = ray.get(make.remote())
print(value["a"].sum(), value["b"][0].tolist(), value["c"][0].dtype)
print(value["a"].flags.writeable, value["b"][0].flags.writeable)
big = ray.get(ray.put({"x": np.zeros(100_000)}))["x"]
print(big.flags.writeable, big.flags.owndata, big.flags.aligned)
show("write", lambda: big.__setitem__(0, 1))
copy = big.copy()
copy[0] = 1
print(copy[0], big[0])
for dtype in ("f2", "c16", "U3", "S3", "M8[s]", "?", "V4", ">i4"):
    back = ray.get(ray.put(np.zeros(3, dtype=dtype)))
    print(back.dtype, back.tolist())
record = np.zeros(2, dtype=[("a", "i4"), ("b", "f8", (2,))])
print(ray.get(ray.put(record)).dtype, ray.get(ray.put(np.array([None, 1, "x"], dtype=object))).tolist())
