import ray
import dataclasses


@dataclasses.dataclass
class Details(Exception):
    code: int
    reason: str


class Slots(Exception):
    __slots__ = ("n",)

    def __init__(self, n):
        super().__init__(n)
        self.n = n


class Text(Exception):
    def __str__(self):
        return "my own text"


@ray.remote
def fail(which):
    raise {"details": Details(1, "r"), "slots": Slots(5), "text": Text()}[which]


try:
    ray.get(fail.remote("details"))
except Details as error:
    print(error.code, error.reason, error.args)
try:
    ray.get(fail.remote("slots"))
except Slots as error:
    print(error.args, error.cause.n)
try:
    ray.get(fail.remote("text"))
except Text as error:
    print(str(error).splitlines()[-1])
