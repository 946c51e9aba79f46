import ray
from ray.util import as_completed, map_unordered


@ray.remote
def f(x):
    if x == 2:
        raise KeyError(x)
    return x


print(sorted(as_completed([f.remote(x) for x in (0, 1, 3)])))
print(list(as_completed([])), list(map_unordered(f, [])))
print(sorted(map_unordered(f, [5, 6, 7], backpressure_size=2)))


def collect(items):
    found = []
    try:
        for item in items:
            found.append(item)
    except KeyError as error:
        return len(found) <= 3, type(error).__name__
    return found


print(collect(as_completed([f.remote(x) for x in range(4)], chunk_size=1)))
print(collect(map_unordered(f, range(4), backpressure_size=2)))
unyielded = as_completed([f.remote(0), f.remote(2), f.remote(1)], yield_obj_refs=True)
print(all(isinstance(ref, ray.ObjectRef) for ref in unyielded))
show("backpressure", lambda: list(map_unordered(f, [1, 2, 3], backpressure_size=1, chunk_size=2)))
