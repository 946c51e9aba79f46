import ray

@ray.remote
def items(n):
    for i in range(n):
        yield i


generator = items.remote(3)
print(type(generator).__name__, type(next(generator)).__name__)
print([ray.get(ref) for ref in generator])
show("over", lambda: next(generator))
show("still over", lambda: next(generator))
print(list(items.remote(0)))
print([ray.get(ref) for ref in items.options(num_returns="streaming").remote(2)])
