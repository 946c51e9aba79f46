import os
import threading

import ray
from ray.util.multiprocessing import Pool, TimeoutError


def begin(value):
    os.environ["BEGUN_BY"] = value


def seen(_):
    return os.environ["BEGUN_BY"]


def wait_for(ref):
    return ray.get(ref[0])


pool = Pool(2, initializer=begin, initargs=("begun",))
print(pool.map(seen, range(3)))
done, failed = [], []
called = threading.Event()


def keep(value):
    done.append(value)
    called.set()


result = pool.apply_async(seen, (1,), callback=keep)
print(result.get(timeout=10), called.wait(10), done)
called.clear()
result = pool.apply_async(seen, (), error_callback=lambda error: (failed.append(error), called.set()))
print(called.wait(10), [isinstance(error, TypeError) for error in failed])


@ray.remote
class Gate:
    async def never(self):
        import asyncio

        await asyncio.Event().wait()


gate = Gate.remote()
stuck = pool.apply_async(wait_for, ([gate.never.remote()],))
show("timeout", lambda: stuck.get(timeout=0.05))
show("not ready", stuck.successful)
print(stuck.ready())
show("join", pool.join)
ray.kill(gate)
pool.close()
show("closed", lambda: pool.map(seen, [1]))
pool.join()
pool.terminate()
show("zero", lambda: Pool(0))
