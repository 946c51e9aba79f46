import ray

@ray.remote
def fail():
    error = ValueError("v")
    error.add_note("a note for you")
    raise error


try:
    ray.get(fail.remote())
except ValueError as error:
    print("a note for you" in str(error), getattr(error.cause, "__notes__", None))
