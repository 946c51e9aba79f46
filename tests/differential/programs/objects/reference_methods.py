import ray

ref = ray.put("x")
print(ref.is_nil(), len(ref.hex()), ref.binary().hex() == ref.hex(), bytes(ref.binary()) == ref.binary())
print(ref == ray.ObjectRef(ref.binary()) if False else "", ref != ray.put("x"), ref == "x", ref in {ref: 1})
print(isinstance(ref, ray.ObjectRef), sorted({type(one).__name__ for one in (ref, ray.put(1))}))
show("sorted", lambda: len(sorted([ray.put(1), ray.put(2)])))
show("bool", lambda: bool(ref))
show("iteration", lambda: list(ref))
show("pickle", lambda: __import__("pickle").loads(__import__("pickle").dumps(ref)))
show("copy", lambda: __import__("copy").copy(ref) == ref)
show("attribute", lambda: ref.value)
