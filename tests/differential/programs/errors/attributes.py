import ray

class Mine(Exception):
    def __init__(self, code, extra=None):
        super().__init__(f"code {code}")
        self.code, self.extra = code, extra

    def double(self):
        return 2 * self.code


@ray.remote
def fail():
    raise Mine(21, extra={"a": 1})


try:
    ray.get(fail.remote())
except Mine as error:
    print(error.code, error.extra, error.double(), error.args)
    print(isinstance(error, ray.exceptions.RayTaskError), type(error.cause).__name__, error.cause.code)
    print(type(error).__name__, type(error).__qualname__, type(error).__module__)
