import ray


@ray.remote
class A:
    def __init__(self, a, b=2, *rest, key, **more):
        self.got = (a, b, rest, key, more)

    def get(self):
        return self.got


print(ray.get(A.remote(1, key="k").get.remote()))
print(ray.get(A.remote(1, 5, 6, 7, key="k", extra=8).get.remote()))
print(ray.get(A.remote(ray.put("resolved"), key=ray.put("too")).get.remote()))
got = ray.get(A.remote([ray.put("kept")], key=None).get.remote())
print(isinstance(got[0][0], ray.ObjectRef), ray.get(got[0]))
for label, call in {
    "none": lambda: A.remote(),
    "no key": lambda: A.remote(1),
    "twice": lambda: A.remote(1, a=2, key=1),
}.items():
    tell(label, call)


@ray.remote
def fails():
    raise ValueError("argument")


show("failed argument", lambda: ray.get(A.remote(fails.remote(), key=1).get.remote()))


@ray.remote
class NoArguments:
    def m(self, x, *, y=1):
        return x, y


tell("constructor", lambda: NoArguments.remote(1))
n = NoArguments.remote()
tell("too many", lambda: n.m.remote(1, 2))
tell("unknown", lambda: n.m.remote(1, z=2))
tell("missing", lambda: n.m.remote())
print(ray.get(n.m.remote(x=1, y=2)))
