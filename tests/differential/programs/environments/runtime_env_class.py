import ray
from ray.runtime_env import RuntimeEnv, RuntimeEnvConfig

environment = RuntimeEnv(env_vars={"A": "1"}, working_dir=None)
print(isinstance(environment, dict), environment["env_vars"], "pip" in environment, environment.get("nothing"))
print(environment.env_vars(), environment.working_dir(), environment.py_modules(), environment.has_pip())
print(environment.to_dict(), sorted(environment))
environment["env_vars"] = {"B": "2"}
print(environment["env_vars"], RuntimeEnv(env_vars={"B": "2"}) == environment)
print(RuntimeEnv.deserialize(environment.serialize()) == environment)
config = RuntimeEnvConfig(setup_timeout_seconds=10)
print(config["setup_timeout_seconds"], config["eager_install"], RuntimeEnv(config=config)["config"]["setup_timeout_seconds"])
show("timeout", lambda: RuntimeEnvConfig(setup_timeout_seconds=0))
show("timeout type", lambda: RuntimeEnvConfig(setup_timeout_seconds="1"))
print(ray.get_runtime_context().runtime_env)


@ray.remote(runtime_env=environment)
def inside():
    return dict(ray.get_runtime_context().runtime_env).get("env_vars")


print(ray.get(inside.remote()))
