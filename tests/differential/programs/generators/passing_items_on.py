import ray

@ray.remote
def items(n):
    for i in range(n):
        yield [i] * i


@ray.remote
def size(value):
    return len(value)


print(ray.get([size.remote(ref) for ref in items.remote(5)]))


@ray.remote
def chain(n):
    for ref in items.remote(n):
        yield ray.get(ref) + ["seen"]


print([ray.get(ref) for ref in chain.remote(3)])


@ray.remote
def refs(n):
    for i in range(n):
        yield ray.put(i)


print([ray.get(ray.get(ref)) for ref in refs.remote(3)])
