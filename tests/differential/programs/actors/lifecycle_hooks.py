import ray
import atexit
import os
import tempfile
import time

folder = tempfile.mkdtemp()


@ray.remote
class A:
    def __init__(self, name):
        self.path = os.path.join(folder, name)
        atexit.register(lambda: open(self.path, "w").close())

    def m(self):
        return 1

    def leave(self):
        ray.actor.exit_actor()


def wait_for(name):
    deadline = time.monotonic() + 10
    while not os.path.exists(os.path.join(folder, name)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return os.path.exists(os.path.join(folder, name))


a = A.remote("handle")
ray.get(a.m.remote())
del a
print("handle", wait_for("handle"))
a = A.remote("exit")
show("leave", lambda: ray.get(a.leave.remote()))
print("exit", wait_for("exit"))
a = A.remote("kill")
ray.get(a.m.remote())
ray.kill(a)
show("killed", lambda: ray.get(a.m.remote()))
time.sleep(0.5)
print("kill", os.path.exists(os.path.join(folder, "kill")))
