import ray

@ray.remote(num_cpus=0)
class Counter:
    def __init__(self):
        self.n = 0

    def add(self):
        self.n += 1
        return self.n


@ray.remote
def use(counter, times):
    for _ in range(times):
        last = ray.get(counter.add.remote())
    return last


counter = Counter.remote()
ray.get([use.remote(counter, 5) for _ in range(3)])
print(ray.get(counter.add.remote()))


@ray.remote
def own():
    mine = Counter.remote()
    return ray.get([mine.add.remote() for _ in range(3)])


print(ray.get(own.remote()))


@ray.remote(num_cpus=0)
class Parent:
    def __init__(self):
        self.children = [Counter.remote() for _ in range(2)]

    def add(self):
        return ray.get([child.add.remote() for child in self.children])

    def child(self, i):
        return self.children[i]


parent = Parent.remote()
print(ray.get(parent.add.remote()), ray.get(ray.get(parent.child.remote(0)).add.remote()))
