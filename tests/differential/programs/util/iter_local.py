import ray
from ray.util.iter import from_items, from_iterators, from_range

numbers = from_range(8, num_shards=2)
endless = from_items([1, 2], num_shards=1, repeat=True)
print(endless.take(5))
print(list(from_iterators([range(2), lambda: iter("ab")]).gather_sync()))
numbers.show(2)
local = numbers.gather_sync()
print(local.take(2), next(local), local.for_each(lambda n: -n).batch(2).take(2))
show("iterated", lambda: list(numbers))
show("fails", lambda: numbers.for_each(lambda n: 1 / n).take(1))
show("no shard", lambda: numbers.get_shard(2))
