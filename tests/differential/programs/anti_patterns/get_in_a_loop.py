import ray

@ray.remote
def f(i):
    return i


print([ray.get(f.remote(i)) for i in range(4)])
refs = [f.remote(i) for i in range(4)]
print([ray.get(ref) for ref in refs], ray.get(f.remote(f.remote(f.remote(3)))))


@ray.remote
def returns_refs():
    return [ray.put(i) for i in range(3)]


@ray.remote
def global_state():
    global counter
    counter = globals().get("counter", 0) + 1
    return counter


print(ray.get(ray.get(returns_refs.remote())))
print(ray.get(global_state.remote()), "counter" in globals())
