import ray

@ray.remote
def make(n):
    return n


@ray.remote
def collect(boxes):
    return [ray.get(ref) for box in boxes for ref in box["refs"]]


boxes = [{"refs": [make.remote(i), ray.put(-i)]} for i in range(3)]
print(ray.get(collect.remote(boxes)))


class Node:
    def __init__(self, value, *children):
        self.value, self.children = value, children

    def total(self):
        return self.value + sum(ray.get(child).total() for child in self.children)


leaf = ray.put(Node(1))
tree = ray.put(Node(10, leaf, ray.put(Node(5, leaf))))
print(ray.get(tree).total(), ray.get(ray.remote(lambda node: node.total()).remote(tree)))
