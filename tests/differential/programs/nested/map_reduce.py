import ray
import collections

texts = ["a rose is a rose", "is a rose", "red is a colour"]


@ray.remote(num_returns=3)
def map_words(text):
    buckets = [[], [], []]
    for word in text.split():
        buckets[len(word) % 3].append((word, 1))
    return buckets


@ray.remote
def reduce_words(*buckets):
    counts = collections.Counter()
    for bucket in buckets:
        for word, n in bucket:
            counts[word] += n
    return counts


mapped = [map_words.remote(text) for text in texts]
counts = sum(ray.get([reduce_words.remote(*[refs[i] for refs in mapped]) for i in range(3)]),
             collections.Counter())
print(sorted(counts.items()))
