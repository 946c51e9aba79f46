import ray

@ray.remote
class A:
    def me(self):
        return ray.get_runtime_context().current_actor

    def id(self):
        return ray.get_runtime_context().get_actor_id()

    def n(self):
        return 5


a, b = A.remote(), A.remote()
print(a == a, a == b, hash(a) == hash(a), len({a, b, a}))
me = ray.get(a.me.remote())
print(me == a, me == b, hash(me) == hash(a), ray.get(me.n.remote()))
print(ray.get(a.id.remote()) == a._actor_id.hex(), type(a).__name__, type(a._actor_id).__name__)
print(isinstance(a, ray.actor.ActorHandle), type(A).__name__.startswith("ActorClass"))


@ray.remote
def use(handle, handles):
    return ray.get(handle.n.remote()), len(set(handles)), handle in handles


print(ray.get(use.remote(a, [a, b, me])))
print(repr(a).startswith("Actor(A, "), str(a) == repr(a), len(a._actor_id.hex()))
show("put", lambda: ray.get(ray.get(ray.put(a)).n.remote()))
show("unknown", lambda: a.unknown.remote())
tell("unknown text", lambda: a.unknown)
