import ray
import os
import tempfile
import time

path = os.path.join(tempfile.mkdtemp(), "tries")


@ray.remote(max_retries=5, retry_exceptions=True)
def slow():
    with open(path, "a") as file:
        file.write("x")
    time.sleep(60)


ref = slow.remote()
while not (os.path.exists(path) and os.path.getsize(path)):
    time.sleep(0.01)
ray.cancel(ref, force=True)
show("cancelled", lambda: ray.get(ref, timeout=20))
time.sleep(0.3)
print(os.path.getsize(path))
