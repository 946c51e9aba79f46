import ray

e = ray.exceptions
OURS = ("ForkedProcessError", "PyrayInternalError", "SessionCorruptedError")  # not in Ray
for name in sorted(n for n in dir(e) if isinstance(getattr(e, n), type) and issubclass(getattr(e, n), Exception)):
    cls = getattr(e, name)
    if cls.__module__ == e.__name__ and name not in OURS:
        print(name, "<", *[base.__name__ for base in cls.__mro__[1:-2]])
