import ray
import random
import time


@ray.remote
class Log:
    def __init__(self):
        self.seen = []

    def add(self, n):
        self.seen.append(n)
        return n

    def get(self):
        return self.seen


@ray.remote
def late(n):
    time.sleep(random.random() / 10)
    return n


log = Log.remote()
refs = [log.add.remote(i) for i in range(50)]
print(ray.get(refs) == list(range(50)), ray.get(log.get.remote()) == list(range(50)))


@ray.remote
def caller(log, who):
    ray.get([log.add.remote((who, i)) for i in range(10)])


ray.get([caller.remote(log, who) for who in "ab"])
seen = ray.get(log.get.remote())[50:]
print(len(seen), [[n for name, n in seen if name == who] == list(range(10)) for who in "ab"])
