import ray


@ray.remote(concurrency_groups={"io": 1})
class A:
    @ray.method(concurrency_group="io")
    async def m(self):
        return "m"


print(ray.get(A.remote().m.remote()))


def make():
    @ray.remote
    class B:
        @ray.method(concurrency_group="absent")
        def m(self):
            return "m"

    return ray.get(B.remote().m.remote(), timeout=10)


show("absent", make)
for groups in ({"io": 0}, {"io": -1}, {"io": "x"}, ["io"]):
    show(f"{groups}", lambda: ray.remote(concurrency_groups=groups)(type("C", (), {})).remote() and "made")
