import ray

@ray.remote
class A:
    def m(self):
        return 1

    def wait(self):
        import time

        time.sleep(60)


a = A.remote()
print(ray.get(a.m.remote()))
running = a.wait.remote()
ray.kill(a)
show("running", lambda: ray.get(running, timeout=20))
show("after", lambda: ray.get(a.m.remote(), timeout=20))
show("again", lambda: ray.kill(a))
try:
    ray.get(a.m.remote(), timeout=20)
except ray.exceptions.RayActorError as error:
    print(error.actor_id == a._actor_id.hex())
