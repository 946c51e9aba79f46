import ray

class Mine(Exception):
    pass


@ray.remote
def fail():
    raise Mine("inner")


@ray.remote
def get(refs):
    return ray.get(refs[0])


@ray.remote
def use(value):
    return value


@ray.remote
def wrap(refs):
    try:
        return ray.get(refs[0])
    except Mine as error:
        raise ValueError("outer") from error


show("nested", lambda: ray.get(get.remote([fail.remote()])))
show("nested twice", lambda: ray.get(get.remote([get.remote([fail.remote()])])))
show("argument", lambda: ray.get(use.remote(fail.remote())))
show("argument twice", lambda: ray.get(use.remote(use.remote(fail.remote()))))
show("wrapped", lambda: ray.get(wrap.remote([fail.remote()])))
show("caught", lambda: ray.get(ray.remote(lambda refs: repr(type(try_(refs))))
                               .remote([fail.remote()])))


def try_(refs):
    try:
        ray.get(refs[0])
    except Exception as error:
        return error
