import ray
from ray.util import ActorPool


@ray.remote
class A:
    def m(self, x):
        if x == "bad":
            raise ValueError(x)
        return x


a, b = A.remote(), A.remote()
pool = ActorPool([a])
tell("push twice", lambda: pool.push(a))
pool.push(b)
print(pool.pop_idle() is not None, pool.pop_idle() is not None, pool.pop_idle())
pool = ActorPool([a, b])
pool.submit(lambda actor, x: actor.m.remote(x), "bad")
pool.submit(lambda actor, x: actor.m.remote(x), "good")
show("bad", pool.get_next)
print(pool.get_next(), pool.has_next(), pool.has_free())
pool.submit(lambda actor, x: actor.m.remote(x), 1)
print(pool.pop_idle() is not None, pool.pop_idle())
print(pool.get_next(timeout=10))
empty = ActorPool([])
empty.submit(lambda actor, x: actor.m.remote(x), "queued")
print(empty.has_next(), empty.has_free())
empty.push(a)
print(empty.has_next(), empty.get_next(timeout=10))
