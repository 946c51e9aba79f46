import ray


@ray.remote
class Counter:
    def __init__(self, n=0):
        self.n = n

    def add(self, k=1):
        self.n += k
        return self.n

    def me(self):
        return ray.get_runtime_context().current_actor


@ray.remote
class Registry:
    def __init__(self, actors):
        self.actors = dict(actors)

    def keep(self, name, holder):
        self.actors[name] = holder[0]

    def add_all(self):
        return {name: ray.get(actor.add.remote()) for name, actor in self.actors.items()}

    def take(self, name):
        return self.actors.pop(name)


a, b = Counter.remote(), Counter.remote(10)
registry = Registry.remote({"a": a})
ray.get(registry.keep.remote("b", [b]))
print(ray.get(registry.add_all.remote()), ray.get(a.add.remote()))
taken = ray.get(registry.take.remote("b"))
print(taken == b, hash(taken) == hash(b), ray.get(taken.add.remote(5)), ray.get(registry.add_all.remote()))
print(ray.get(a.me.remote()) == a, {a: 1}[ray.get(a.me.remote())])
del b, taken


@ray.remote
def make():
    inner = Counter.remote(100)
    ray.get(inner.add.remote())
    return {"inner": inner}


print(ray.get(ray.get(make.remote())["inner"].add.remote()))
ref = ray.put([a])
del a
print(ray.get(ray.get(ref)[0].add.remote()))


@ray.remote
def add_to(actor, times):
    return ray.get([actor.add.remote() for _ in range(times)])


shared = Counter.remote()
ray.get([add_to.remote(shared, 5) for _ in range(3)])
print(ray.get(shared.add.remote(0)))
