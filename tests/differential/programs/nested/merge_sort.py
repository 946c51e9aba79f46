import ray
import random


@ray.remote
def merge_sort(values):
    if len(values) <= 8:
        return sorted(values)
    middle = len(values) // 2
    left, right = ray.get([merge_sort.remote(values[:middle]), merge_sort.remote(values[middle:])])
    merged = []
    while left and right:
        merged.append(left.pop(0) if left[0] <= right[0] else right.pop(0))
    return merged + left + right


random.seed(1)
values = [random.randrange(1000) for _ in range(50)]
print(ray.get(merge_sort.remote(values)) == sorted(values))
