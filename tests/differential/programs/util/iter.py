import ray
from ray.util.iter import from_items, from_iterators, from_range

print(list(from_items([1, 2, 3, 4, 5]).gather_sync()), list(from_range(7, num_shards=3).gather_sync()))
print(sorted(from_range(5).gather_async()), from_range(5).num_shards(), from_range(4, 2))
numbers = from_range(8, num_shards=2)
print(numbers.for_each(lambda n: n * n).filter(lambda n: n % 2 == 0).take(3))
print(numbers.batch(3).take(9), list(numbers.batch_across_shards()))
print(numbers.for_each(lambda n: [n, n]).flatten().take(4), numbers.combine(lambda n: [n] * (n % 2)).take(9))
print(sorted(numbers.repartition(3).gather_sync()), numbers.repartition(3).num_shards())
print([sorted(shard) for shard in numbers.shards()], list(numbers.get_shard(1)), numbers.select_shards([1]).take(9))
print(sorted(numbers.local_shuffle(3).gather_sync()), numbers.union(from_items(["a"], num_shards=1)).take(20))
print(numbers.transform(lambda items: (n + 1 for n in items)).take(2))
