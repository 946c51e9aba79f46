import ray

@ray.remote
class A:
    def m(self):
        return 1


a = A.remote()
tell("int", lambda: ray.cancel(1))
tell("actor", lambda: ray.cancel(a))
ref = a.m.remote()
ray.get(ref)
tell("kill a ref", lambda: ray.kill(ref))
tell("kill an int", lambda: ray.kill(1))
