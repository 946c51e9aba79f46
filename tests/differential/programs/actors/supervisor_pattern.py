import ray

@ray.remote(num_cpus=0)
class Worker:
    def work(self, x):
        return x + 1


@ray.remote(num_cpus=0)
class Supervisor:
    def __init__(self, n):
        self.workers = [Worker.remote() for _ in range(n)]

    def work(self, values):
        return ray.get([self.workers[i % len(self.workers)].work.remote(v) for i, v in enumerate(values)])

    def workers_(self):
        return self.workers


supervisor = Supervisor.remote(3)
print(ray.get(supervisor.work.remote(list(range(7)))))
workers = ray.get(supervisor.workers_.remote())
print(len(workers), ray.get(workers[0].work.remote(10)))
