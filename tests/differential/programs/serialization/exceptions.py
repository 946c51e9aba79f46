import pickle

import ray


class Keyword(Exception):
    def __init__(self, *, code):
        super().__init__(f"code {code}")
        self.code = code

    def __reduce__(self):
        return rebuild, (self.code,)


def rebuild(code):
    return Keyword(code=code)


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")
        self.a, self.b = a, b

    def __reduce__(self):
        return TwoArguments, (self.a, self.b)


class WithState(Exception):
    def __setstate__(self, state):
        self.__dict__.update(state, restored=True)


@ray.remote
def throw(error):
    raise error


def caught(error):
    try:
        ray.get(throw.remote(error))
    except Exception as found:
        return found


found = caught(Keyword(code=7))
print(isinstance(found, Keyword), found.cause.code, str(found.cause))
found = caught(TwoArguments(1, 2))
print(isinstance(found, TwoArguments), found.cause.a, found.cause.b, found.cause.args)
made = WithState("x")
made.detail = [1]
found = caught(made)
print(isinstance(found, WithState), found.cause.detail, found.cause.restored)
for error in (Keyword(code=1), TwoArguments(3, 4)):
    print(type(ray.get(ray.put(error))).__name__, str(ray.get(ray.put(error))))
print([str(error) for error in ray.get(ray.put([KeyError("k"), OSError(2, "no", "file")]))])
