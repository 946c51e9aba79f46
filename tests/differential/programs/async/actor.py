import ray
import asyncio


@ray.remote
class A:
    def __init__(self):
        self.event = asyncio.Event()

    async def wait(self):
        await self.event.wait()
        return "went on"

    async def open(self):
        self.event.set()
        return "opened"

    def plain(self):
        return "plain"

    async def fail(self):
        raise ValueError("async")

    async def task(self, ref):
        return await ref[0] + 1

    async def gather(self, refs):
        return await asyncio.gather(*refs)


a = A.remote()
waiting = [a.wait.remote() for _ in range(5)]
print(ray.get(a.open.remote()), ray.get(waiting))
show("plain", lambda: ray.get(a.plain.remote()))
show("fail", lambda: ray.get(a.fail.remote()))
print(ray.get(a.task.remote([ray.put(1)])), ray.get(a.gather.remote([ray.put(i) for i in range(3)])))
