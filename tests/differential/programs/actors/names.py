import ray

@ray.remote
class A:
    def m(self):
        return "m"


a = A.options(name="first").remote()
print(ray.get_actor("first") == a, ray.get(ray.get_actor("first").m.remote()))
show("taken", lambda: A.options(name="first").remote())
show("unknown", lambda: ray.get_actor("nobody"))
tell("unknown text", lambda: ray.get_actor("nobody"))
show("empty", lambda: ray.get_actor(""))
show("number", lambda: ray.get_actor(3))
print(ray.util.list_named_actors())
ray.kill(a)
show("killed", lambda: ray.get_actor("first"))
b = A.options(name="first").remote()
print(ray.get(ray.get_actor("first").m.remote()))


@ray.remote
def find():
    return ray.get(ray.get_actor("first").m.remote())


print(ray.get(find.remote()))
