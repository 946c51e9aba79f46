import ray
import time


@ray.remote
def fail(name):
    raise ValueError(name)


@ray.remote
def never():
    time.sleep(30)


bad, pending = fail.remote("a"), never.remote()
begun = time.monotonic()
show("failed behind pending", lambda: ray.get([pending, bad]))
print(time.monotonic() - begun < 15)
ray.cancel(pending, force=True)
ray.wait([bad])
try:
    ray.get([ray.put(1), bad, ray.put(2)])
except ValueError as error:
    print(error.cause, error.args)
