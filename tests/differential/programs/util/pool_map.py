import ray
from ray.util.multiprocessing import Pool


def square(x):
    return x * x


def add(x, y=10):
    return x + y


def fail(x):
    raise ValueError(x)


with Pool(processes=2) as pool:
    print(pool.map(square, range(6)), pool.map(square, range(6), chunksize=4), pool.map(square, []))
    print(pool.starmap(add, [(1, 2), (3, 4), (5,)]))
    print(list(pool.imap(square, range(5), chunksize=2)))
    print(sorted(pool.imap_unordered(square, range(5))))
    print(pool.apply(add, (1,), {"y": 2}), pool.apply(add, (1,)))
    found = pool.map_async(square, range(3))
    print(found.get(timeout=10), found.ready(), found.successful())
    show("fails", lambda: pool.map(fail, [1, 2]))
    show("apply fails", lambda: pool.apply(fail, (3,)))
    failed = pool.apply_async(fail, (3,))
    failed.wait(10)
    print(failed.ready(), failed.successful())
    show("async fails", lambda: failed.get(timeout=10))
    iterator = pool.imap(square, range(2))
    print(next(iterator), iterator.next(timeout=10))
    show("over", lambda: next(iterator))
