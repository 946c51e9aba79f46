import ray

@ray.remote
class A:
    def __init__(self, n):
        self.n = n

    def get(self):
        return self.n


first = A.options(name="single", get_if_exists=True).remote(1)
second = A.options(name="single", get_if_exists=True).remote(2)
print(first == second, ray.get([first.get.remote(), second.get.remote()]))
show("without a name", lambda: A.options(get_if_exists=True).remote(1))
ray.kill(first)
third = A.options(name="single", get_if_exists=True).remote(3)
print(ray.get(third.get.remote()))
