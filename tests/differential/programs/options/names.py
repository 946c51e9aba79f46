import ray

@ray.remote(name="decorated")
def f():
    return ray.get_runtime_context().get_task_name()


def plain():
    return ray.get_runtime_context().get_task_name()


print(ray.get([f.remote(), f.options(name="given").remote(), ray.remote(plain).remote()]))


class Space:
    @staticmethod
    def method():
        return ray.get_runtime_context().get_task_name(), ray.get_runtime_context().get_task_function_name()


print(ray.get(ray.remote(Space.method).remote()))


@ray.remote
class A:
    def m(self):
        return ray.get_runtime_context().get_task_name()


a = A.remote()
print(ray.get([a.m.remote(), a.m.options(name="called").remote()]))
