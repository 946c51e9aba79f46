import ray
import threading
import time


@ray.remote(max_concurrency=3)
class A:
    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = 0

    def work(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.2)
        with self.lock:
            self.now -= 1

    def get(self):
        return self.most


a = A.remote()
ray.get([a.work.remote() for _ in range(9)])
print(ray.get(a.get.remote()))
b = A.options(max_concurrency=1).remote()
ray.get([b.work.remote() for _ in range(3)])
print(ray.get(b.get.remote()))
