import asyncio

import ray


@ray.remote
class Barrier:
    def __init__(self):
        self.waiting = 0
        self.event = asyncio.Event()

    async def meet(self, parties):
        self.waiting += 1
        if self.waiting == parties:
            self.event.set()
        await self.event.wait()
        return parties

    async def fail(self):
        raise KeyError("k")

    async def nested(self, actor):
        return await actor.plain.remote() + "!"

    async def gathered(self, refs):
        return await asyncio.gather(*refs, return_exceptions=True)

    async def plain(self):
        return "plain"

    def sync(self):
        return asyncio.get_running_loop() is not None


@ray.remote
def f(x):
    if x < 0:
        raise ValueError(x)
    return x


barrier = Barrier.remote()
print(ray.get([barrier.meet.remote(50) for _ in range(50)]) == [50] * 50)
show("fail", lambda: ray.get(barrier.fail.remote()))
print(ray.get(barrier.nested.remote(Barrier.remote())), ray.get(barrier.nested.remote(barrier)))
found = ray.get(barrier.gathered.remote([f.remote(1), f.remote(-1), f.remote(2)]))
print(found[0], type(found[1]).__name__, found[2])
show("sync", lambda: ray.get(barrier.sync.remote()))
