import ray

@ray.remote
class Counter:
    def __init__(self, start=0):
        self.value = start

    def add(self, n=1):
        self.value += n
        return self.value

    def fail(self):
        raise KeyError("k")

    @ray.method(num_returns=2)
    def pair(self):
        return 1, 2

counter = Counter.remote(10)
show("add", lambda: ray.get([counter.add.remote() for _ in range(3)]))
show("pair", lambda: ray.get(counter.pair.remote()))
show("fail", lambda: ray.get(counter.fail.remote()))
show("direct", lambda: Counter())
show("method", lambda: counter.add())
show("unknown", lambda: counter.nope)
show("signature", lambda: counter.add.remote(1, 2))
show("constructor", lambda: Counter.remote(1, 2))
