import ray

@ray.remote
def make():
    return {"a": [1, 2]}


ref = make.remote()
first, second = ray.get(ref), ray.get(ref)
print(first == second, first is second, first["a"] is second["a"])
copies = ray.get([ref, ref])
print(copies[0] == copies[1], copies[0] is copies[1])
small = ray.put("s")
print(ray.get(small) == ray.get(small))


@ray.remote
def fail():
    raise RuntimeError("each time")


ref = fail.remote()
for _ in range(3):
    show("again", lambda: ray.get(ref))
