import ray

@ray.remote
def many(n):
    return [ray.put(i) for i in range(n)]


@ray.remote
def dictionary():
    return {"a": many.remote(2)}


refs = ray.get(many.remote(5))
print(ray.get(refs))
print(ray.get(ray.get(ray.get(dictionary.remote())["a"])))


@ray.remote
def passes(boxed):
    return boxed


ref = ray.put(7)
back = ray.get(passes.remote([ref]))[0]
print(back == ref, ray.get(back))
del ref
print(ray.get(back))
