import ray

@ray.remote
class A:
    def __init__(self, n):
        self.n = n


a = A.remote(4)
show("ready", lambda: ray.get(a.__ray_ready__.remote()))
show("call", lambda: ray.get(a.__ray_call__.remote(lambda self, x: self.n + x, 3)))
show("terminate", lambda: ray.get(a.__ray_terminate__.remote()))
show("after", lambda: ray.get(a.__ray_ready__.remote(), timeout=20))
