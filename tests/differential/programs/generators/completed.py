import ray

@ray.remote
def items(n, fail=False):
    for i in range(n):
        yield i
    if fail:
        raise ValueError("x")


generator = items.remote(2)
show("completed", lambda: ray.get(generator.completed()))
print(generator.is_finished(), [ray.get(ref) for ref in generator], generator.is_finished())
generator = items.remote(1, fail=True)
show("failed", lambda: ray.get(generator.completed()))
print([len(list(items.remote(3)))])
