import ray
import time


@ray.remote
class A:
    def slow(self):
        time.sleep(1.5)
        return 1


a = A.remote()
ref = a.slow.remote()
tell("force", lambda: ray.cancel(ref, force=True))
show("then", lambda: ray.get(ref))
