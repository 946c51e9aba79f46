import ray

@ray.remote
def give():
    return ValueError("a value, not an error")


value = ray.get(give.remote())
print(repr(value), type(value).__mro__[:2])
