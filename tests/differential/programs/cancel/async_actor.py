import ray
import asyncio
import time


@ray.remote
class A:
    def __init__(self):
        self.seen = []

    async def sleep(self):
        self.seen.append("begun")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise

    async def get(self):
        return self.seen


a = A.remote()
ref = a.sleep.remote()
while not ray.get(a.get.remote()):
    time.sleep(0.01)
ray.cancel(ref)
show("cancelled", lambda: ray.get(ref, timeout=20))
print(ray.get(a.get.remote()))
