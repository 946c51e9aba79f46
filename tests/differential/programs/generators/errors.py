import ray

@ray.remote
def items(n):
    for i in range(n):
        yield i
    raise ValueError("after the items")


generator = items.remote(2)
for _ in range(4):
    show("next", lambda: ray.get(next(generator)))
show("at once", lambda: ray.get(next(items.remote(0))))
