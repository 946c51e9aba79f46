refs = [ray.put(i) for i in range(5)]
# Which of several ready ones comes first is not the same: Ray keeps no order there.
show("first", lambda: [len(part) for part in ray.wait(refs)])
show("three", lambda: [len(part) for part in ray.wait(refs, num_returns=3)])
show("empty", lambda: ray.wait([]))
show("duplicates", lambda: ray.wait([refs[0], refs[0]]))
show("bare", lambda: ray.wait(refs[0]))
show("tuple", lambda: ray.wait(tuple(refs)))
show("int", lambda: ray.wait([1]))
show("zero", lambda: ray.wait(refs, num_returns=0))
show("too many", lambda: ray.wait(refs, num_returns=6))
show("negative", lambda: ray.wait(refs, timeout=-1))
