import ray

@ray.remote(num_returns=2, max_retries=0, name="base")
def f():
    return 1, 2


g = f.options(name="other")
print(len(g.remote()), len(f.remote()))
show("options of options", lambda: ray.get(g.options(num_returns=1).remote()))
print(len(f.options(num_cpus=0.5).remote()))
print(ray.get(f.options(num_returns=1).remote()), len(f.remote()))
