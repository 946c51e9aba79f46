import ray


@ray.remote
def f(x):
    if x == "bad":
        raise ValueError(x)
    return x


@ray.remote
class Gate:
    async def never(self):
        import asyncio

        await asyncio.Event().wait()


gate = Gate.remote()
never = gate.never.remote()
done = [f.remote(x) for x in range(3)]
ray.get(done)
print([len(part) for part in ray.wait(done)], [len(part) for part in ray.wait(done, num_returns=3)])
ready, rest = ray.wait([never, *done], num_returns=2)
print(len(ready), set(ready) < set(done), never in rest)
print([len(part) for part in ray.wait([never], timeout=0)], [len(part) for part in ray.wait([never, done[0]], num_returns=2, timeout=0.01)])
bad = f.remote("bad")
print(ray.wait([bad])[0] == [bad])
print([len(part) for part in ray.wait([])])
for label, call in {
    "twice": lambda: ray.wait([done[0], done[0]]),
    "bare": lambda: ray.wait(done[0]),
    "numbers": lambda: ray.wait([1, 2]),
    "none": lambda: ray.wait(done, num_returns=0),
    "many": lambda: ray.wait(done, num_returns=4),
    "negative": lambda: ray.wait(done, timeout=-1),
    "tuple": lambda: [len(part) for part in ray.wait(tuple(done))],
    "set": lambda: ray.wait(set(done)),
}.items():
    tell(label, call)
ray.kill(gate)
show("killed", lambda: ray.get(never))
