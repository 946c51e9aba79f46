import ray

@ray.remote(num_returns=3)
def items(n):
    for i in range(n):
        yield i


for n in (2, 3, 4):
    refs = items.remote(n)
    for i, ref in enumerate(refs):
        show(f"{n} of 3, {i}", lambda: ray.get(ref))


@ray.remote(num_returns=2)
def fail():
    yield 1
    raise ValueError("second")


for i, ref in enumerate(fail.remote()):
    show(f"failing {i}", lambda: ray.get(ref))
