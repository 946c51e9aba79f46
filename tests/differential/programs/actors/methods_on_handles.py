import ray

@ray.remote
class A:
    def m(self, x, y=2):
        return x, y


a = A.remote()
print(type(a.m).__name__, repr(a.m).startswith("ActorMethod") if False else "")
tell("direct", lambda: a.m(1))
tell("missing", lambda: a.m.remote())
tell("too many", lambda: a.m.remote(1, 2, 3))
print(ray.get(a.m._remote([1], {"y": 3})), ray.get(a.m._remote((1,), num_returns=2)))
x, y = a.m.options(num_returns=2).remote(7)
print(ray.get([x, y]))
print(a.m.options(num_returns=0).remote(1))
show("bad option", lambda: a.m.options(foo=1).remote(1))
m = a.m
del a
print(ray.get(m.remote(4)))
