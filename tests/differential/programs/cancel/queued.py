import ray
import time


@ray.remote(num_cpus=4)
def block():
    time.sleep(1)
    return "blocked"


@ray.remote
def after():
    return "ran"


first = block.remote()
queued = after.remote()
ray.cancel(queued)
show("queued", lambda: ray.get(queued, timeout=20))
show("first", lambda: ray.get(first))
try:
    ray.get(queued)
except ray.exceptions.TaskCancelledError as error:
    print(error, queued.task_id().hex() in str(error), error.task_id == queued.task_id())
