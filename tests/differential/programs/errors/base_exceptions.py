import ray
import sys


class Base(BaseException):
    pass


@ray.remote(max_retries=0)
def end(how):
    if how == "exit":
        sys.exit(3)
    if how == "exit 0":
        sys.exit(0)
    if how == "interrupt":
        raise KeyboardInterrupt
    raise Base("b")


for how in ("exit", "exit 0", "base"):
    show(how, lambda: ray.get(end.remote(how)))
