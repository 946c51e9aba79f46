import ray


class Namespace:
    @staticmethod
    @ray.remote
    def inside():
        return ray.get_runtime_context().get_task_name().split(".")[-1]


@ray.remote
def f():
    """Say something."""
    return ray.get_runtime_context().get_task_name().split(".")[-1]


print(ray.get(f.remote()), ray.get(f.options(name="mine").remote()), ray.get(Namespace.inside.remote()))
print(type(f).__name__, callable(f), f._function.__name__)
tell("direct", f)
print(ray.get(f._remote(args=(), kwargs={}, name="by _remote")))
print(ray.get(f._remote()))
renamed = ray.remote(lambda: ray.get_runtime_context().get_task_name())
print(ray.get(renamed.remote()).split(".")[-1])


def plain(x: int, y: int = 2) -> int:
    return x + y


import inspect

remote_plain = ray.remote(plain)
print(inspect.signature(remote_plain.remote) is not None, ray.get(remote_plain.remote(1)), plain(1))
show("coroutine", lambda: ray.remote(async_function))


async def async_function():
    return 1


show("async function", lambda: ray.remote(async_function).remote())
show("number", lambda: ray.remote(3))
show("positional", lambda: ray.remote(f, 3))
show("none", lambda: ray.remote())
