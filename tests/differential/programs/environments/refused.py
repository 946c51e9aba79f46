import ray
from ray.runtime_env import RuntimeEnv


@ray.remote
def f():
    return 1


for environment in (
    {"env_vars": 3}, {"env_vars": {"A": 1}}, {"env_vars": {1: "a"}}, {"working_dir": 3}, {"py_modules": "x"},
    {"pip": 3}, {"pip": ["a"], "conda": ["b"]}, {"pip": ["a"], "uv": ["b"]}, {"config": 3}, {"excludes": "a"},
):
    show(f"{environment}", lambda: RuntimeEnv(**environment) and "accepted")
show("in options", lambda: f.options(runtime_env={"env_vars": {"A": 1}}).remote())
show("RuntimeEnv", lambda: ray.get(f.options(runtime_env=RuntimeEnv(env_vars={"A": "1"})).remote()))
