import ray

@ray.remote
class A:
    count = 0

    @classmethod
    def make(cls):
        return cls.__name__

    @staticmethod
    def double(x):
        return 2 * x

    @property
    def prop(self):
        return "property"

    def __len__(self):
        return 7

    def __call__(self):
        return "called"

    def _private(self):
        return "private"


a = A.remote()
show("class method", lambda: ray.get(a.make.remote()))
show("static method", lambda: ray.get(a.double.remote(4)))
show("private", lambda: ray.get(a._private.remote()))
show("call", lambda: ray.get(a.__call__.remote()))
show("len", lambda: ray.get(a.__len__.remote()))
show("property", lambda: ray.get(a.prop.remote()))
show("attribute", lambda: a.count)
show("on the class", lambda: A.make())
show("on the class, static", lambda: A.double(4))
