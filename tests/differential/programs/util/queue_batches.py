import ray
from ray.util.queue import Queue

queue = Queue(maxsize=5)
queue.put_nowait_batch([1, 2, 3])
show("too many", lambda: queue.put_nowait_batch([4, 5, 6]))
print(queue.qsize())
show("too few", lambda: queue.get_nowait_batch(4))
print(queue.get_nowait_batch(2), queue.qsize())
show("not a list", lambda: queue.put_nowait_batch(3))
show("not a number", lambda: queue.get_nowait_batch("3"))


@ray.remote
def produce(queue):
    for x in range(3):
        queue.put(("made", x))


@ray.remote
def consume(queue):
    return [queue.get(timeout=10) for _ in range(4)]


consumed = consume.remote(queue)
ray.get(produce.remote(queue))
print(ray.get(consumed))
named = Queue(actor_options={"name": "queue", "num_cpus": 0})
named.put("x")
print(ray.util.list_named_actors(), ray.get(ray.get_actor("queue").qsize.remote()))
named.shutdown(force=True)
show("after", lambda: named.put(1))
