import ray


@ray.remote
class A:
    def m(self):
        return ray.get_runtime_context().namespace


here = A.options(name="here").remote()
there = A.options(name="there", namespace="elsewhere").remote()
print(ray.get(there.m.remote()) == ray.get_runtime_context().namespace)
print(ray.util.list_named_actors())
both = ray.util.list_named_actors(all_namespaces=True)
print(sorted(found["name"] for found in both), {"name": "there", "namespace": "elsewhere"} in both)
show("not here", lambda: ray.get_actor("there"))
print(ray.get_actor("there", namespace="elsewhere") == there)
same = A.options(name="here", namespace="elsewhere").remote()
print(ray.get(same.m.remote()) == ray.get_runtime_context().namespace, same != here)
show("taken", lambda: A.options(name="there", namespace="elsewhere").remote())
show("namespace alone", lambda: A.options(namespace="x").remote() and "made")
show("empty namespace", lambda: A.options(name="n", namespace="").remote())
show("number", lambda: A.options(name=3).remote())
