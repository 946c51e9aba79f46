import gc

import ray


@ray.remote
class A:
    def __init__(self):
        self.n = 0

    def add(self):
        self.n += 1
        return self.n


def make():
    actor = A.options(name="stays", lifetime="detached").remote()
    return ray.get(actor.add.remote())


print(make())
gc.collect()
print(ray.get(ray.get_actor("stays").add.remote()))
print(ray.get(A.options(name="stays", get_if_exists=True, lifetime="detached").remote().add.remote()))
show("lifetime", lambda: A.options(lifetime="for ever").remote())
show("none", lambda: A.options(lifetime=None).remote() and "made")
ray.kill(ray.get_actor("stays"))
show("killed", lambda: ray.get_actor("stays"))
unnamed = A.options(lifetime="detached").remote()
print(ray.get(unnamed.add.remote()))
ray.kill(unnamed)
