import collections
import dataclasses
import enum

import ray


class Reduced:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __reduce__(self):
        return Reduced, (self.b, self.a)


class Slots:
    __slots__ = ("x", "y")


class State:
    def __init__(self):
        self.kept, self.dropped = 1, 2

    def __getstate__(self):
        return {"kept": self.kept}

    def __setstate__(self, state):
        self.__dict__.update(state, restored=True)


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: list = dataclasses.field(default_factory=list)


Pair = collections.namedtuple("Pair", "left right")


class Args:
    def __new__(cls, *args):
        self = super().__new__(cls)
        self.args = args
        return self

    def __getnewargs__(self):
        return ("new",)


@ray.remote
def echo(x):
    return x


def back(x):
    return ray.get(echo.remote(x))


one = back(Reduced(1, 2))
print((one.a, one.b) in ((1, 2), (2, 1)), type(one) is Reduced)
slots = Slots()
slots.x = 5
show("slots of a class pickled by value", lambda: back(slots))
print(sorted(vars(back(State())).items()))
print(back(Colour.RED), back(Colour.RED) is Colour.RED, back({Colour.RED: 1}) == {Colour.RED: 1})
print(back(Point(1, [2])), back(Point(1)) == Point(1))
print(back(Pair(1, 2)), back(Pair(1, 2)) == (1, 2), type(back(Pair(1, 2))).__name__)
print(back(Args("old")).args)
print(back(collections.OrderedDict(a=1)), back(collections.defaultdict(list, a=[1])), back(collections.Counter("aab")))
