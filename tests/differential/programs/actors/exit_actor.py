import ray


@ray.remote
class A:
    def leave(self):
        try:
            ray.actor.exit_actor()
        except SystemExit:
            return "caught"

    def leave_in_a_generator(self):
        yield 1
        ray.actor.exit_actor()

    def m(self):
        return "m"


a = A.remote()
print(ray.get(a.m.remote()))
show("leave", lambda: ray.get(a.leave.remote()))
show("afterwards", lambda: ray.get(a.m.remote()))
try:
    ray.get(a.m.remote())
except ray.exceptions.RayActorError as error:
    print("exit_actor" in str(error), hasattr(error, "actor_id"))
b = A.remote()
ray.wait([b.leave.remote()])
show("again", lambda: ray.get(b.m.remote()))
show("outside", ray.actor.exit_actor)
restarted = A.options(max_restarts=-1).remote()
ray.wait([restarted.leave.remote()])
show("not restarted", lambda: ray.get(restarted.m.remote()))
