import ray
from ray.util import ActorPool


@ray.remote
class Doubler:
    def double(self, x):
        if x == "bad":
            raise ValueError(x)
        return 2 * x


a, b, spare = [Doubler.remote() for _ in range(3)]
pool = ActorPool([a, b])
print(list(pool.map(lambda actor, x: actor.double.remote(x), range(5))))
print(sorted(pool.map_unordered(lambda actor, x: actor.double.remote(x), range(5))))
print(pool.has_free(), pool.has_next())
for x in range(3):
    pool.submit(lambda actor, x: actor.double.remote(x), x)
print(pool.has_free(), pool.has_next())
print(pool.get_next(), pool.get_next_unordered() in (2, 4))
show("the third", lambda: pool.get_next())
show("none left", lambda: ActorPool([spare]).get_next())
show("none left unordered", lambda: ActorPool([spare]).get_next_unordered())
pool.submit(lambda actor, x: actor.double.remote(x), "bad") if pool.has_free() else None
