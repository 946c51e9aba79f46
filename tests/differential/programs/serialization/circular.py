import ray


class Node:
    def __init__(self, name):
        self.name, self.links = name, []


@ray.remote
def look(x):
    return x[0] is x, len(x)


@ray.remote
def walk(node):
    seen = []
    while node.name not in seen:
        seen.append(node.name)
        node = node.links[0]
    return seen, node


itself = []
itself.append(itself)
print(ray.get(look.remote(itself)), ray.get(ray.put(itself))[0][0][0] is not itself)
a, b = Node("a"), Node("b")
a.links.append(b)
b.links.append(a)
names, end = ray.get(walk.remote(a))
print(names, end.links[0].links[0] is end)
ring = {"x": {}}
ring["x"]["up"] = ring
got = ray.get(ray.put(ring))
print(got["x"]["up"] is got, repr(got))
deep = []
for _ in range(200):
    deep = [deep]
print(repr(ray.get(ray.put(deep))) == repr(deep))
