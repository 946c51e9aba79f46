import ray
import asyncio


@ray.remote
class A:
    def __init__(self):
        self.now = self.most = 0

    async def work(self):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.1)
        self.now -= 1

    async def get(self):
        return self.most


for limit in (None, 2, 1):
    a = A.options(max_concurrency=limit).remote() if limit else A.remote()
    ray.get([a.work.remote() for _ in range(8)])
    print(limit, ray.get(a.get.remote()))
