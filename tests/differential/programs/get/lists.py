import ray

refs = [ray.put(i) for i in range(5)]
print(ray.get(refs), ray.get(refs[::-1]), ray.get([refs[0]] * 3))
print(ray.get([]))
show("tuple", lambda: ray.get(tuple(refs)))
show("generator", lambda: ray.get(ref for ref in refs))
show("nested list", lambda: ray.get([refs]))
show("none inside", lambda: ray.get([refs[0], None]))
show("dict values", lambda: ray.get({1: refs[0]}.values()))
