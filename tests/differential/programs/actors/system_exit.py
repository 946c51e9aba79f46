import os
import sys

import ray


@ray.remote
class A:
    def __init__(self, dies=None):
        if dies == "exit":
            sys.exit(3)
        if dies == "crash":
            os._exit(3)

    def exit(self):
        sys.exit(2)

    def raise_exit(self):
        raise SystemExit

    def m(self):
        return "m"


for method in ("exit", "raise_exit"):
    a = A.remote()
    show(method, lambda: ray.get(getattr(a, method).remote()))
    show("afterwards", lambda: ray.get(a.m.remote()))
for dies in ("exit", "crash"):
    show(f"constructor {dies}", lambda: ray.get(A.remote(dies).m.remote()))
