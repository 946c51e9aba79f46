import ray
from ray.util.queue import Empty, Full, Queue

queue = Queue(maxsize=3)
print(queue.empty(), queue.full(), queue.qsize(), queue.size(), len(queue))
for x in "abc":
    queue.put(x)
print(queue.empty(), queue.full(), queue.qsize(), len(queue), queue.maxsize)
show("full", lambda: queue.put_nowait("d"))
show("not blocking", lambda: queue.put("d", block=False))
show("timeout", lambda: queue.put("d", timeout=0.01))
show("negative", lambda: queue.put("d", timeout=-1))
print(queue.get(), queue.get_nowait(), queue.get(timeout=5))
show("empty", queue.get_nowait)
show("not blocking", lambda: queue.get(block=False))
show("timeout", lambda: queue.get(timeout=0.01))
show("negative", lambda: queue.get(timeout=-1))
print(issubclass(Empty, Exception), Empty.__mro__[1].__module__, Full.__mro__[1].__module__)
queue.shutdown()
