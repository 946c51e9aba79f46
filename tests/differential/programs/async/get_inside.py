import ray
import asyncio


@ray.remote
def f():
    return "f"


@ray.remote
class A:
    async def blocking(self):
        return ray.get(f.remote())

    async def waiting(self):
        ready, rest = ray.wait([f.remote()])
        return len(ready), len(rest)

    async def loop(self):
        return type(asyncio.get_running_loop()).__name__ != "", asyncio.current_task() is not None


a = A.remote()
show("get", lambda: ray.get(a.blocking.remote(), timeout=20))
show("wait", lambda: ray.get(a.waiting.remote(), timeout=20))
show("loop", lambda: ray.get(a.loop.remote()))
