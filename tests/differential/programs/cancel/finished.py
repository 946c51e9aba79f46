import ray

@ray.remote
def f():
    return 1


ref = f.remote()
print(ray.get(ref))
ray.cancel(ref)
print(ray.get(ref))
show("put", lambda: ray.cancel(ray.put(1)))
show("int", lambda: ray.cancel(1))
show("none", lambda: ray.cancel(None))
