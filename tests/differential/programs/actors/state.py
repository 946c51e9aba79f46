import ray

@ray.remote
class Store:
    def __init__(self):
        self.data = {}

    def set(self, key, value):
        self.data[key] = value

    def get(self, key, default=None):
        return self.data.get(key, default)

    def all(self):
        return self.data


a, b = Store.remote(), Store.remote()
print(ray.get(a.set.remote("x", 1)))
b.set.remote("x", 2)
print(ray.get([a.get.remote("x"), b.get.remote("x"), a.get.remote("y", default="none")]))
copy = ray.get(a.all.remote())
copy["x"] = 99
print(ray.get(a.all.remote()))
ref = ray.put([1, 2])
a.set.remote("ref", [ref])
print(ray.get(ray.get(a.get.remote("ref"))[0]))
a.set.remote("value", ref)
print(ray.get(a.get.remote("value")))
