import os

import ray


@ray.remote(max_restarts=1, max_task_retries=-1)
class Retried:
    def __init__(self, folder):
        self.folder = folder

    def once(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            open(path, "w").close()
            os._exit(1)
        return name

    def m(self, x):
        return x


@ray.remote
class Mortal:
    def die(self):
        os._exit(1)

    def m(self, x):
        return x


import tempfile

with tempfile.TemporaryDirectory() as folder:
    a = Retried.remote(folder)
    refs = [a.m.remote(1), a.once.remote("x"), a.m.remote(2)]
    print(ray.get(refs, timeout=20), ray.get(a.m.remote(3), timeout=20))
    show("second death", lambda: ray.get(a.once.remote("y"), timeout=20))
b = Mortal.remote()
print(ray.get(b.m.remote(1)))
dying, behind = b.die.remote(), b.m.remote(2)
show("dying", lambda: ray.get(dying, timeout=20))
show("behind", lambda: ray.get(behind, timeout=20))
show("later", lambda: ray.get(b.m.remote(3), timeout=20))
