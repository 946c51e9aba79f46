import ray
import json


@ray.remote
def run(code):
    return eval(code, {"json": json})


for code in ("1/0", "[][1]", "{}['k']", "int('x')", "None.foo", "undefined", "open('/nonexistent')",
             "b'\\xff'.decode()", "json.loads('{')", "'a' + 1", "next(iter(()))", "1 if", "2.0 ** 10000"):
    show(code, lambda: ray.get(run.remote(code)))
try:
    ray.get(run.remote("open('/nonexistent')"))
except FileNotFoundError as error:
    print(error.errno, error.filename)
try:
    ray.get(run.remote("{}['k']"))
except KeyError as error:
    print(error.args, error.cause.args)
