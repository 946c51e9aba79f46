import ray
import threading


@ray.remote(max_concurrency=2)
class Door:
    def __init__(self):
        self.event = threading.Event()

    def wait(self):
        return self.event.wait(20)

    def open(self):
        self.event.set()
        return "opened"


door = Door.remote()
waiting = door.wait.remote()
print(ray.get(door.open.remote()), ray.get(waiting))
