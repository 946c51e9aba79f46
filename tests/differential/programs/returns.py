@ray.remote(num_returns=2)
def two(n):
    return list(range(n))

@ray.remote(num_returns=3)
def items():
    yield from "abc"

show("two", lambda: ray.get(two.remote(2)))
show("three", lambda: ray.get(two.remote(3)))
show("none", lambda: two.options(num_returns=0).remote(1))
show("one", lambda: ray.get(two.options(num_returns=1).remote(3)))
show("generator", lambda: ray.get(items.remote()))
