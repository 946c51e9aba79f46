import ray
import time


@ray.remote
def slow():
    time.sleep(1)
    return 1


@ray.remote
def use(x):
    return x


first = slow.remote()
waiting = use.remote(first)
ray.cancel(waiting)
show("waiting", lambda: ray.get(waiting, timeout=20))
show("first", lambda: ray.get(first))
