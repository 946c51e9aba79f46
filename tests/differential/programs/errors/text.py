import ray

def helper():
    raise ValueError("two\nlines")


@ray.remote
def fail():
    helper()


try:
    ray.get(fail.remote())
except ValueError as error:
    print(str(error))
