import ray


@ray.remote(num_cpus=0, max_restarts=2, name="by decorator")
class A:
    def name(self):
        return ray.get_runtime_context().get_actor_name()

    @ray.method(num_returns=2)
    def two(self):
        return 1, 2

    def pair(self):
        return 1, 2


a = A.remote()
print(ray.get(a.name.remote()))
show("again", lambda: A.remote())
b = A.options(name="by options").remote()
print(ray.get(b.name.remote()), ray.get(b.two.remote()))
print(ray.get(b.pair.options(num_returns=2).remote()), len(b.two.options(num_returns=1).remote().hex()))
print(ray.get(b.pair.options(name="renamed").remote()))
c = A.options(name=None).remote()
show("no name", lambda: ray.get(c.name.remote()))
other = ray.remote(num_cpus=1)(type("Plain", (), {"m": lambda self: ray.get_runtime_context().get_assigned_resources()}))
print(ray.get(other.remote().m.remote()))
print(ray.get(other.options(num_cpus=0.5, resources={}).remote().m.remote()))
