import ray

@ray.remote
def down(n):
    return 0 if n == 0 else 1 + ray.get(down.remote(n - 1))


print(ray.get(down.remote(12)))


@ray.remote
def fan(n):
    return sum(ray.get([down.remote(1) for _ in range(n)]))


print(ray.get([fan.remote(3) for _ in range(4)]))
