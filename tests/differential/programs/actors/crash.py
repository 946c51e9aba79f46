import ray
import os


@ray.remote
class A:
    def die(self):
        os._exit(2)

    def m(self):
        return 1


a = A.remote()
refs = [a.m.remote(), a.die.remote(), a.m.remote()]
ray.wait(refs, num_returns=3, timeout=20)
for ref in refs:
    show("call", lambda: ray.get(ref, timeout=20))
show("after", lambda: ray.get(a.m.remote(), timeout=20))
