import functools

import ray

FACTOR = 3


def outer(n):
    count = 0

    @ray.remote
    def inner(x, step=1):
        nonlocal count
        count += step
        return x * n + count

    return inner, lambda: count


inner, count = outer(10)
print(ray.get([inner.remote(1), inner.remote(1, step=5)]) != [], count())


@ray.remote
def uses_global():
    return FACTOR


print(ray.get(uses_global.remote()))
FACTOR = 4
print(ray.get(uses_global.remote()))
print(ray.get(ray.remote(lambda x: x + FACTOR).remote(1)))


@ray.remote
def apply(function, *args):
    return function(*args)


def factorial(n):
    return 1 if n == 0 else n * factorial(n - 1)


print(ray.get(apply.remote(factorial, 10)), ray.get(apply.remote(functools.partial(pow, 2), 5)))
print(ray.get(apply.remote(lambda f: f(f), lambda f: "itself")))
adders = ray.get(apply.remote(lambda: [lambda x, n=n: x + n for n in range(3)]))
print([add(10) for add in adders])
late = [lambda: n for n in range(3)]
print(ray.get([apply.remote(f) for f in late]))
