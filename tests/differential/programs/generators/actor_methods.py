import ray

@ray.remote
class A:
    def __init__(self):
        self.state = 10

    def items(self, n):
        for i in range(n):
            self.state += 1
            yield self.state

    @ray.method(num_returns=2)
    def pair(self):
        yield "a"
        yield "b"


a = A.remote()
print([ray.get(ref) for ref in a.items.remote(3)])
print([ray.get(ref) for ref in a.items.options(num_returns="streaming").remote(2)])
print(ray.get(a.pair.remote()))


@ray.remote
class B:
    async def items(self, n):
        for i in range(n):
            yield i


b = B.remote()
print([ray.get(ref) for ref in b.items.remote(3)])
