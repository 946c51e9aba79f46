import ray

@ray.remote
class Broken:
    def __init__(self, how="raise"):
        if how == "raise":
            raise ValueError("cannot be made")

    def m(self):
        return 1


broken = Broken.remote()
show("method", lambda: ray.get(broken.m.remote()))
show("again", lambda: ray.get(broken.m.remote()))
try:
    ray.get(broken.m.remote())
except ray.exceptions.RayActorError as error:
    print(type(error).__name__, "cannot be made" in str(error))


@ray.remote
class Needs:
    def __init__(self, x):
        self.x = x

    def get(self):
        return self.x


@ray.remote
def fail():
    raise KeyError("argument")


needs = Needs.remote(fail.remote())
show("argument failed", lambda: ray.get(needs.get.remote()))
