import ray

@ray.remote
def add(a, b):
    return a + b


values = [ray.put(i) for i in range(16)]
while len(values) > 1:
    values = [add.remote(a, b) for a, b in zip(values[::2], values[1::2])]
print(ray.get(values[0]))


@ray.remote
def fibonacci(n):
    return n if n < 2 else sum(ray.get([fibonacci.remote(n - 1), fibonacci.remote(n - 2)]))


print(ray.get(fibonacci.remote(6)))
