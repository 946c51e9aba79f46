import ray

@ray.remote(num_returns="dynamic")
def split(n):
    for i in range(n):
        yield i * i


ref = split.remote(3)
print(type(ref).__name__)
inner = ray.get(ref)
print(type(inner).__name__, len(list(inner)), [ray.get(one) for one in ray.get(ref)])


@ray.remote
def total(refs):
    return sum(ray.get(one) for one in refs)


print(ray.get(total.remote(ref)))


@ray.remote(num_returns="dynamic")
def fail():
    yield 1
    raise ValueError("x")


show("failed", lambda: [ray.get(one) for one in ray.get(fail.remote())])
