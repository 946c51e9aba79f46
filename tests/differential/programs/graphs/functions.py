import ray
from ray.dag import InputNode, MultiOutputNode


@ray.remote
def add(x, y=1):
    return x + y


@ray.remote
def double(x):
    return 2 * x


print(ray.get(add.bind(1, 2).execute()), ray.get(add.bind(1, y=double.bind(5)).execute()))
shared = double.bind(3)
print(ray.get(add.bind(shared, shared).execute()))
with InputNode() as value:
    graph = add.bind(double.bind(value), value)
print([ray.get(graph.execute(n)) for n in range(3)])
with InputNode() as value:
    graph = add.bind(value[0], value["k"] if False else value[1])
show("indexed", lambda: ray.get(graph.execute([1, 2])))
with InputNode() as value:
    graph = add.bind(value.a, value.b)
show("keywords", lambda: ray.get(graph.execute(a=1, b=2)))
with InputNode() as value:
    graph = MultiOutputNode([add.bind(value, 1), double.bind(value), value] if False else [add.bind(value, 1), double.bind(value)])
show("many", lambda: ray.get(graph.execute(10)))
nested = add.bind(1, 2)
print(ray.get(double.bind(ray.put(4)).execute()))
show("in a list", lambda: ray.get(ray.remote(lambda xs: len(ray.get(xs)) if isinstance(xs[0], ray.ObjectRef) else sum(xs)).bind([nested, nested]).execute()))
show("direct", lambda: add.bind(1).remote())
show("options", lambda: ray.get(add.options(name="x").bind(1).execute()))
print(type(graph).__name__, type(shared).__name__, type(value).__name__)


@ray.remote
def fails(x):
    raise ValueError(x)


show("fails", lambda: ray.get(double.bind(fails.bind(1)).execute()))
