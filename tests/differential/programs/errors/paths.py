import ray

class Mine(Exception):
    pass

@ray.remote
def fail():
    raise Mine("a", 1)

@ray.remote
def use(x):
    return x

@ray.remote
def nested():
    return ray.get(fail.remote())

refs = [fail.remote(), use.remote(fail.remote()), nested.remote()]
for label, ref in zip(("direct", "argument", "nested"), refs):
    show(label, lambda: ray.get(ref))
    try:
        ray.get(ref)
    except Mine as error:
        print(type(error.cause).__name__, str(error).splitlines()[-1], repr(error))
