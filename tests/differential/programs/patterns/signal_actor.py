import ray
import asyncio


@ray.remote(num_cpus=0)
class Signal:
    def __init__(self):
        self.event = asyncio.Event()

    def send(self, clear=False):
        self.event.set()
        if clear:
            self.event.clear()

    async def wait(self, should_wait=True):
        if should_wait:
            await self.event.wait()


@ray.remote
def wait_and_go(signal):
    ray.get(signal.wait.remote())
    return "go"


signal = Signal.remote()
refs = [wait_and_go.remote(signal) for _ in range(3)]
print([len(part) for part in ray.wait(refs, timeout=0.3)])
print(ray.get(signal.send.remote()), ray.get(refs))
