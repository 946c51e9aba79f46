import ray
import os


@ray.remote(max_restarts=1)
class A:
    def __init__(self):
        self.n = 0

    def add(self):
        self.n += 1
        return self.n

    def die(self):
        os._exit(1)

    def again(self):
        return ray.get_runtime_context().was_current_actor_reconstructed


a = A.remote()
print(ray.get([a.add.remote(), a.add.remote(), a.again.remote()]))
show("die", lambda: ray.get(a.die.remote(), timeout=20))


def retried(call):
    while True:
        try:
            return ray.get(call(), timeout=20)
        except ray.exceptions.ActorUnavailableError:
            pass


show("restarted", lambda: (retried(a.add.remote), retried(a.again.remote)))
show("die again", lambda: ray.get(a.die.remote(), timeout=20))
show("dead", lambda: retried(a.add.remote))
