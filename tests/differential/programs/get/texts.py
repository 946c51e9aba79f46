import ray

a = ray.put(1)
for wrong in (3, "x", None, [a, 3], {a}, [[a]]):
    tell(type(wrong).__name__, lambda: ray.get(wrong))
tell("timeout", lambda: ray.get(a, timeout=-1))
