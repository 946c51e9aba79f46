import ray
import concurrent.futures


@ray.remote
def f(x):
    return x * x


@ray.remote
def fail():
    raise KeyError("k")


futures = [f.remote(i).future() for i in range(5)]
print(type(futures[0]).__mro__[0].__name__, isinstance(futures[0], concurrent.futures.Future))
print([future.result(timeout=20) for future in futures])
done, rest = concurrent.futures.wait(futures)
print(len(done), len(rest))
future = fail.remote().future()
show("result", lambda: future.result(20))
print(isinstance(future.exception(20), KeyError))
