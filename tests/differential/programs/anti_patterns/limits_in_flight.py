import ray

@ray.remote
def f(i):
    return i


results, pending = [], []
for i in range(30):
    if len(pending) >= 5:
        done, pending = ray.wait(pending, num_returns=1)
        results += ray.get(done)
    pending.append(f.remote(i))
results += ray.get(pending)
print(sorted(results) == list(range(30)))


@ray.remote
def batch(values):
    return [v * v for v in values]


print(sum(ray.get([batch.remote(range(i, i + 10)) for i in range(0, 100, 10)]), [])[-3:])
