import asyncio

import ray
from ray.util.queue import Queue


@ray.remote
class Consumer:
    def __init__(self, queue):
        self.queue = queue

    async def take(self, n):
        return [await self.queue.get_async() for _ in range(n)]


queue = Queue()
consumer = Consumer.remote(queue)
taken = consumer.take.remote(3)


async def produce():
    for x in range(3):
        await queue.put_async(x)
    return await taken


print(asyncio.run(produce()))


async def late():
    await queue.get_async(timeout=0.01)


show("late", lambda: asyncio.run(late()))
