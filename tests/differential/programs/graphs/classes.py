import ray
from ray.dag import InputNode


@ray.remote
class Counter:
    def __init__(self, n):
        self.n = n

    def add(self, k):
        self.n += k
        return self.n

    def pair(self, a, b):
        return a, b


counter = Counter.bind(10)
print(type(counter).__name__, type(counter.add.bind(1)).__name__)
node = counter.add.bind(1)
print(ray.get(node.execute()))
print(ray.get(counter.pair.bind(counter.add.bind(1), counter.add.bind(2)).execute()))
with InputNode() as value:
    graph = counter.add.bind(value)
print(ray.get(graph.execute(5)))
live = Counter.remote(0)
with InputNode() as value:
    graph = live.add.bind(value)
print([ray.get(graph.execute(n)) for n in (1, 2, 3)], ray.get(live.add.remote(0)))
other = Counter.remote(100)
with InputNode() as value:
    graph = other.add.bind(live.add.bind(value))
print(ray.get(graph.execute(1)), ray.get(other.add.remote(0)))
show("unknown", lambda: counter.nothing.bind())
