import ray
import time


@ray.remote
def slow():
    time.sleep(1.5)


ref = slow.remote()
show("zero", lambda: ray.get(ref, timeout=0))
show("short", lambda: ray.get(ref, timeout=0.05))
show("list", lambda: ray.get([ray.put(1), ref], timeout=0.05))
show("negative", lambda: ray.get(ray.put(1), timeout=-1))
show("string", lambda: ray.get(ref, timeout="1"))
try:
    ray.get(ref, timeout=0.05)
except TimeoutError as error:
    print(isinstance(error, ray.exceptions.GetTimeoutError), error)
ray.cancel(ref, force=True)
