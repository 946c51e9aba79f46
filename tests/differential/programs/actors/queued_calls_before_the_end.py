import ray

@ray.remote
class A:
    def __init__(self):
        self.n = 0

    def add(self):
        import time

        time.sleep(0.05)
        self.n += 1
        return self.n


a = A.remote()
refs = [a.add.remote() for _ in range(5)]
del a
print(ray.get(refs))
print(ray.get(A.remote().add.remote()))
