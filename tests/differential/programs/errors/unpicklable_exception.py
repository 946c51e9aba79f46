import ray
import threading


class Holds(Exception):
    def __init__(self):
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class Needs(Exception):
    def __init__(self, a, b):
        super().__init__("needs two")


@ray.remote
def holds():
    raise Holds


@ray.remote
def needs():
    raise Needs(1, 2)


show("holds", lambda: ray.get(holds.remote()))
show("needs", lambda: ray.get(needs.remote()))
