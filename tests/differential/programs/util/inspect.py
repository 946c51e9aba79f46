import threading

import ray
from ray.util import inspect_serializability


class Holder:
    def __init__(self):
        self.lock = threading.Lock()


lock = threading.Lock()


def uses_lock():
    return lock


print(inspect_serializability([1, 2], name="numbers", print_file=open("/dev/null", "w")))
for name, value in (("lock", lock), ("holder", Holder()), ("function", uses_lock)):
    good, failures = inspect_serializability(value, name=name, print_file=open("/dev/null", "w"))
    print(name, good, len(failures) > 0, {type(failure).__name__ for failure in failures})
