import ray
import asyncio


@ray.remote
def double(x):
    return 2 * x


@ray.remote
def fail():
    raise ValueError("x")


async def main():
    print(await double.remote(4))
    print(await asyncio.gather(*[double.remote(i) for i in range(4)]))
    done, pending = await asyncio.wait([asyncio.ensure_future(to(double.remote(i))) for i in range(3)])
    print(sorted(task.result() for task in done), len(pending))
    try:
        await fail.remote()
    except ValueError as error:
        print(type(error).__name__)
    print(await asyncio.wait_for(double.remote(1).as_future(), 20) if hasattr(ray.ObjectRef, "as_future") else 2)
    results = await asyncio.gather(fail.remote(), double.remote(1), return_exceptions=True)
    print(isinstance(results[0], ValueError), results[1])


async def to(ref):
    return await ref


asyncio.run(main())
