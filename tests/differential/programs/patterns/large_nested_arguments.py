import ray
import numpy as np


@ray.remote
def init():
    return {"weights": np.ones(100_000), "bias": 1.0}


@ray.remote
def step(model, x):
    return {"weights": model["weights"] * x, "bias": model["bias"] + x}


@ray.remote
def summary(model):
    return float(model["weights"].sum()), model["bias"]


model = init.remote()
for x in (2, 3):
    model = step.remote(model, x)
print(ray.get(summary.remote(model)))
print(ray.get([summary.remote(step.remote(model, x)) for x in range(3)]))
