import ray

@ray.remote
class Queue:
    def __init__(self):
        self.items = list(range(6))

    def next(self):
        return self.items.pop(0) if self.items else None


@ray.remote
class Worker:
    def __init__(self, queue):
        self.queue = queue

    def run(self):
        done = []
        while (item := ray.get(self.queue.next.remote())) is not None:
            done.append(item * 10)
        return done


queue = Queue.remote()
workers = [Worker.remote(queue) for _ in range(2)]
print(sorted(sum(ray.get([worker.run.remote() for worker in workers]), [])))
