import ray

@ray.remote
class A:
    async def leave(self):
        ray.actor.exit_actor()

    async def m(self):
        return 1


a = A.remote()
print(ray.get(a.m.remote()))
show("leave", lambda: ray.get(a.leave.remote()))
show("after", lambda: ray.get(a.m.remote(), timeout=20))
