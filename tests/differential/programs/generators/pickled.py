import ray

@ray.remote
def items():
    yield 1


generator = items.remote()
show("put", lambda: ray.put(generator))


@ray.remote
def use(x):
    return 1


show("argument", lambda: use.remote(generator))
show("get", lambda: ray.get(generator))
