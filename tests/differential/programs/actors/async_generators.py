import asyncio

import ray


@ray.remote
class A:
    async def count(self, n, fail_at=None):
        for i in range(n):
            if i == fail_at:
                raise ValueError(i)
            await asyncio.sleep(0)
            yield i

    async def plain(self):
        return "plain"


a = A.remote()
print([ray.get(ref) for ref in a.count.remote(3)])
print(type(a.count.remote(1)).__name__)
items = a.count.remote(3, fail_at=1)
print(ray.get(next(items)))
show("error", lambda: ray.get(next(items)))
show("over", lambda: next(items))


async def consume():
    return [await ref async for ref in a.count.remote(4)]


print(asyncio.run(consume()))
both = [a.count.remote(3), a.count.remote(3)]
print([[ray.get(next(items)) for items in both] for _ in range(3)], ray.get(a.plain.remote()))
