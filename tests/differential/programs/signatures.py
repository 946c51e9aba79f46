@ray.remote
def f(a, b=2, *rest, c, **more):
    return a, b, rest, c, more

show("fits", lambda: ray.get(f.remote(1, c=3)))
show("all", lambda: ray.get(f.remote(1, 2, 3, c=4, d=5)))
show("missing", lambda: f.remote(c=1))
show("keyword", lambda: f.remote(1))
show("direct", lambda: f(1, c=1))
