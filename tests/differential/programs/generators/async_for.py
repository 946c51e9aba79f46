import ray
import asyncio


@ray.remote
def items(n):
    for i in range(n):
        yield i


async def main():
    return [await ref async for ref in items.remote(4)]


print(asyncio.run(main()))


async def values():
    generator = items.remote(2)
    first = await (await generator.__anext__())
    second = await (await generator.__anext__())
    try:
        await generator.__anext__()
    except StopAsyncIteration:
        return first, second, "over"


print(asyncio.run(values()))
