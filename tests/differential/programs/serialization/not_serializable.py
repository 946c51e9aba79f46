import threading

import ray

lock = threading.Lock()


@ray.remote
def take(x):
    return x


@ray.remote
def give(kind):
    return threading.Lock() if kind == "lock" else (x for x in range(3))


@ray.remote
def captured():
    return lock


@ray.remote
class Holder:
    def __init__(self, x=None):
        self.x = x

    def lock(self):
        return threading.Lock()


for label, call in {
    "put": lambda: ray.put(lock),
    "nested": lambda: ray.put({"a": [lock]}),
    "argument": lambda: take.remote(lock),
    "keyword": lambda: take.remote(x=lock),
    "captured": lambda: captured.remote(),
    "constructor": lambda: Holder.remote(lock),
    "returned": lambda: ray.get(give.remote("lock")),
    "returned by a method": lambda: ray.get(Holder.remote().lock.remote()),
    "file": lambda: ray.put(open("/dev/null")),
    "generator": lambda: ray.put(x for x in range(3)),
}.items():
    show(label, call)
