import ray

class Final(Exception):
    def __init_subclass__(cls, **named):
        raise TypeError("no subclasses")


@ray.remote
def fail():
    raise Final("x")


show("final", lambda: ray.get(fail.remote()))
try:
    ray.get(fail.remote())
except ray.exceptions.RayTaskError as error:
    print(type(error.cause).__name__)
