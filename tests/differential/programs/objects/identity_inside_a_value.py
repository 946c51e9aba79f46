import ray

inner = [1]
value = {"a": inner, "b": inner}
value["self"] = value
back = ray.get(ray.put(value))
print(back["a"] is back["b"], back["self"] is back)
a, b = ray.get([ray.put(inner), ray.put(inner)])
print(a == b, a is b)


@ray.remote
def same(x, y):
    return x is y, x == y


print(ray.get(same.remote(inner, inner)))
ref = ray.put(inner)
print(ray.get(same.remote(ref, ref))[1])
