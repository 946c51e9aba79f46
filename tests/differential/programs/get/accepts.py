import ray

a, b = ray.put(1), ray.put([2])
show("one", lambda: ray.get(a))
show("list", lambda: ray.get([a, b, a]))
show("empty", lambda: ray.get([]))
for wrong in (3, None, "x", {a}, {"a": a}):
    show(f"get {type(wrong).__name__}", lambda: ray.get(wrong))
show("list of int", lambda: ray.get([a, 3]))
show("timeout", lambda: ray.get(a, timeout=0))
