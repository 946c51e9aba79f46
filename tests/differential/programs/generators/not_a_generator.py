import ray

@ray.remote
def plain():
    return [1, 2]


show("streaming", lambda: list(plain.options(num_returns="streaming").remote()))
show("dynamic", lambda: ray.get(plain.options(num_returns="dynamic").remote()))


@ray.remote
def returns_generator():
    return (i for i in range(3))


show("returned", lambda: ray.get(returns_generator.remote()))


@ray.remote
def items():
    yield 1


show("other", lambda: items.options(num_returns="many").remote())
show("one", lambda: ray.get(items.options(num_returns=1).remote()))
