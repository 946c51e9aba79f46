# session: own
import ray

ray.init(num_cpus=2, namespace="mine", log_to_driver=False, include_dashboard=False, logging_level="ERROR")


@ray.remote
class A:
    def m(self):
        return ray.get_runtime_context().namespace


a = A.options(name="a").remote()
b = A.options(name="b", namespace="other").remote()
print(ray.get([a.m.remote(), b.m.remote()]), ray.get_runtime_context().namespace)
print(ray.get_actor("a") == a, ray.get_actor("a", namespace="mine") == a, ray.get_actor("b", namespace="other") == b)
show("b", lambda: ray.get_actor("b"))
print(ray.util.list_named_actors(), sorted(found["namespace"] for found in ray.util.list_named_actors(all_namespaces=True)))


@ray.remote
def child():
    return ray.get_runtime_context().namespace, ray.get_actor("a") is not None


print(ray.get(child.remote()))
