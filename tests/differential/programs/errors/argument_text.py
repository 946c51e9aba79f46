import ray

@ray.remote
def fail():
    raise ValueError("the reason")


@ray.remote
def use(value):
    return value


try:
    ray.get(use.remote(fail.remote()))
except ValueError as error:
    lines = [line for line in str(error).splitlines() if "File" not in line]
    print("\n".join(lines))
