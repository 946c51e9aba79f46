import ray
import time


@ray.remote
class Signal:
    def __init__(self):
        self.seen = []

    def add(self, what):
        self.seen.append(what)

    def get(self):
        return self.seen


@ray.remote
def busy(signal):
    try:
        ray.get(signal.add.remote("begun"))
        for _ in range(1000):
            time.sleep(0.01)
    except KeyboardInterrupt:
        ray.get(signal.add.remote("interrupted"))
        raise
    finally:
        ray.get(signal.add.remote("finally"))


signal = Signal.remote()
ref = busy.remote(signal)
while not ray.get(signal.get.remote()):
    time.sleep(0.01)
ray.cancel(ref, recursive=False)
show("running", lambda: ray.get(ref, timeout=20))
print(ray.get(signal.get.remote()))
