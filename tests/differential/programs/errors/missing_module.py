import ray
import sys
import types

module = types.ModuleType("only_here")
exec("class Thing:\n    pass\ndef f():\n    return 1", module.__dict__)
sys.modules["only_here"] = module


@ray.remote
def take(x):
    return "taken"


show("value", lambda: ray.get(take.remote(module.Thing())))
show("function", lambda: ray.get(ray.remote(module.f).remote()))
del sys.modules["only_here"]
