import ray

@ray.remote
def fail():
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("no such thing") from error


try:
    ray.get(fail.remote())
except ValueError as error:
    print(type(error.__cause__).__name__, type(error.cause.__cause__).__name__)
    text = str(error)
    print("KeyError: 'missing'" in text, "direct cause" in text, text.splitlines()[-1])
