import ray
import asyncio


@ray.remote(concurrency_groups={"io": 2})
class A:
    def __init__(self):
        self.now = {"io": 0, "default": 0}
        self.most = {"io": 0, "default": 0}

    async def work(self, group):
        self.now[group] += 1
        self.most[group] = max(self.most[group], self.now[group])
        await asyncio.sleep(0.1)
        self.now[group] -= 1

    @ray.method(concurrency_group="io")
    async def io(self):
        await self.work("io")

    async def default(self):
        await self.work("default")

    async def get(self):
        return self.most


a = A.remote()
ray.get([a.io.remote() for _ in range(6)] + [a.default.remote() for _ in range(6)])
print(ray.get(a.get.remote()))
