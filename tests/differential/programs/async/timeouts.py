import ray
import asyncio
import time


@ray.remote
def slow():
    time.sleep(1.5)
    return "slow"


async def main():
    ref = slow.remote()
    try:
        await asyncio.wait_for(ref, timeout=0.1)
    except asyncio.TimeoutError:
        print("timed out")
    print(await ref)


asyncio.run(main())
