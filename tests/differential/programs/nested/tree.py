import ray

@ray.remote
def total(low, high):
    if high - low == 1:
        return low
    middle = (low + high) // 2
    return sum(ray.get([total.remote(low, middle), total.remote(middle, high)]))

show("tree", lambda: ray.get(total.remote(0, 8)))
