import pickle

import ray
from ray import cloudpickle

f = cloudpickle.loads(cloudpickle.dumps(lambda x: x + 1))
print(f(1))
ref = ray.put([1, 2])
show("ref by cloudpickle", lambda: ray.get(cloudpickle.loads(cloudpickle.dumps(ref))))


@ray.remote
def g(x):
    return x * 2


@ray.remote
class A:
    def m(self):
        return "m"


remote = cloudpickle.loads(cloudpickle.dumps(g))
print(ray.get(remote.remote(4)))
a = A.remote()
print(ray.get(cloudpickle.loads(cloudpickle.dumps(a)).m.remote()), cloudpickle.loads(cloudpickle.dumps(a)) == a)
print(ray.get(cloudpickle.loads(cloudpickle.dumps(A)).remote().m.remote()))
method = a.m
show("method", lambda: ray.get(ray.remote(lambda call: ray.get(call[0].remote())).remote([method])))
