import ray

@ray.remote
class Point:
    """A point."""

    kind = "class attribute"

    def __init__(self, x, y=0, *rest, z=1):
        self.values = (x, y, rest, z)

    def get(self):
        return self.values

    def kind_of(self):
        return self.kind


print(ray.get(Point.remote(1).get.remote()))
print(ray.get(Point.remote(1, 2, 3, 4, z=5).get.remote()))
print(ray.get(Point.remote(ray.put("ref"), y=ray.put("other")).get.remote()))
show("missing", lambda: Point.remote())
show("unknown", lambda: Point.remote(1, q=1))
tell("missing text", lambda: Point.remote())
print(ray.get(Point.remote(1).kind_of.remote()))
print(ray.get(Point._remote([1], {"y": 3}, num_cpus=0).get.remote()))
print(ray.get(ray.remote(num_cpus=0)(dict).remote(a=1).get.remote("a")) if False else "")
