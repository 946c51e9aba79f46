import ray

@ray.remote
def look(bare, items):
    return bare, type(items[0]).__name__, ray.get(items[0])

ref = ray.put("v")
show("look", lambda: ray.get(look.remote(ref, [ref])))
show("put", lambda: ray.put(ref))
inside = ray.get(ray.put([ref]))[0]
print(inside == ref, hash(inside) == hash(ref), len(ref.binary()), len(ref.hex()), ref.is_nil())
print(type(ref.task_id()).__name__, type(ref.job_id()).__name__, ref.job_id().hex())
show("future", lambda: ref.future().result(10))
