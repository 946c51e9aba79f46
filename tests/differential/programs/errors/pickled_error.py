import ray
import pickle


@ray.remote
def fail():
    raise ValueError("v")


try:
    ray.get(fail.remote())
except ValueError as caught:
    error = caught
show("pickle", lambda: type(pickle.loads(pickle.dumps(error))).__name__)
show("cloudpickle", lambda: type(ray.cloudpickle.loads(ray.cloudpickle.dumps(error))).__name__)


@ray.remote
def give(e):
    return type(e).__name__, isinstance(e, ValueError)


show("argument", lambda: ray.get(give.remote(error)))


@ray.remote
def again(e):
    raise e


show("raised again", lambda: ray.get(again.remote(error)))
