import ray
import time


@ray.remote
def forever():
    while True:
        try:
            time.sleep(100)
        except KeyboardInterrupt:
            pass


ref = forever.remote()
ray.wait([ref], timeout=1)
ray.cancel(ref, force=True)
show("forced", lambda: ray.get(ref, timeout=20))


@ray.remote
def use(x):
    return x


show("dependent", lambda: ray.get(use.remote(ref), timeout=20))
