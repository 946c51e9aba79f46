import ray

class Parameter:
    def __init__(self):
        self.weights = [0.0] * 3


@ray.remote
class Server:
    def __init__(self):
        self.weights = [0.0] * 3

    def apply(self, *gradients):
        for gradient in gradients:
            self.weights = [w + g for w, g in zip(self.weights, gradient)]
        return self.weights


@ray.remote
def worker(weights, shift):
    return [shift - w for w in weights]


server = Server.remote()
weights = server.apply.remote()
for _ in range(3):
    weights = server.apply.remote(*[worker.remote(weights, shift) for shift in (1, 2)])
print(ray.get(weights))
