import ray

@ray.remote
def fail():
    raise ValueError("v")


try:
    ray.get(fail.remote())
except ray.exceptions.RayTaskError as caught:
    error = caught
    print(type(error.cause).__name__)
for name in ("function_name", "pid", "ip", "traceback_str", "proctitle", "actor_repr"):
    show(name, lambda: getattr(error, name) is not None)
show("as instance", lambda: type(error.as_instanceof_cause()).__name__)
show("undual", lambda: type(error.as_instanceof_cause().cause).__name__)
