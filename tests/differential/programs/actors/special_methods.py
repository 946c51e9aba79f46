import ray


@ray.remote
class A:
    def __init__(self):
        self.items = []

    def __call__(self, x):
        return ("called", x)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, key):
        return ("item", key)

    def __eq__(self, other):
        return True

    __hash__ = None

    def _private(self):
        return "private"

    def remote(self):
        return "a method named remote"


a = A.remote()
print(ray.get(a.__call__.remote(1)))
show("len", lambda: ray.get(a.__len__.remote()))
show("getitem", lambda: ray.get(a.__getitem__.remote("k")))
print(ray.get(a._private.remote()))
show("called", lambda: a(1))
show("called method", lambda: a._private())
show("indexed", lambda: a["k"])
show("length", lambda: len(a))
show("named remote", lambda: ray.get(a.remote.remote()))
show("attribute", lambda: a.items)
show("hash", lambda: isinstance(hash(a), int))
