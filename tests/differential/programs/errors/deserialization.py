import ray

class Grumpy:
    def __reduce__(self):
        return explode, ()


def explode():
    raise RuntimeError("cannot load")


show("put", lambda: ray.get(ray.put(Grumpy())))


@ray.remote
def give():
    return Grumpy()


@ray.remote
def take(x):
    return "taken"


show("result", lambda: ray.get(give.remote()))
show("argument", lambda: ray.get(take.remote(Grumpy())))
show("reference", lambda: ray.get(take.remote(give.remote())))
