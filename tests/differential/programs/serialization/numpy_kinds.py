import numpy as np

import ray


@ray.remote
def echo(x):
    return x


class Sub(np.ndarray):
    pass


for label, array in {
    "structured": np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "objects": np.array([1, "two", None], dtype=object),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "zero dimensions": np.array(5),
    "empty": np.zeros((0, 3)),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "strided": np.arange(10)[::3],
    "reversed": np.arange(5)[::-1],
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "half": np.array([1.5], dtype=np.float16),
    "big endian": np.array([1, 2], dtype=">i4"),
    "times": np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"),
    "subclass": np.arange(3).view(Sub),
    "masked": np.ma.array([1, 2], mask=[True, False]),
}.items():
    got = ray.get(echo.remote(array))
    print(label, type(got).__name__, got.dtype, got.shape, repr(got.tolist()))
print(ray.get(echo.remote(np.float32(1.5))).__class__.__name__, ray.get(echo.remote(np.int8(-1))))
print(ray.get(echo.remote(np.dtype("f4"))), ray.get(echo.remote(np.random.default_rng(1))).integers(100))
