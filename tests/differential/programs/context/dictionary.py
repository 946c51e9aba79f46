import ray

c = ray.get_runtime_context()
print(sorted(c.get()))


@ray.remote
def f():
    return sorted(ray.get_runtime_context().get())


print(ray.get(f.remote()))


@ray.remote
class A:
    def m(self):
        return sorted(ray.get_runtime_context().get())


print(ray.get(A.remote().m.remote()))
