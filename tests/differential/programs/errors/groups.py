import ray

@ray.remote
def fail():
    raise ExceptionGroup("several", [ValueError(1), TypeError(2), ExceptionGroup("in", [KeyError(3)])])


try:
    ray.get(fail.remote())
except* ValueError as group:
    print("values", [type(one).__name__ for one in group.exceptions])
except* TypeError as group:
    print("types", [type(one).__name__ for one in group.exceptions])
except* KeyError as group:
    print("keys", [type(one).__name__ for one in group.exceptions])
show("whole", lambda: ray.get(fail.remote()))
