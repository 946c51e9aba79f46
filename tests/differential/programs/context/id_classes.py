import ray

ref = ray.put(1)
print(type(ref.task_id()).__name__, len(ref.task_id().hex()), len(ref.binary()), len(ref.job_id().hex()))
for cls, size in ((ray.ActorID, 16), (ray.JobID, 4), (ray.NodeID, 28), (ray.TaskID, 24), (ray.WorkerID, 28)):
    one = cls(b"\x01" * size)
    print(repr(one), one.hex(), one.is_nil(), one == cls(b"\x01" * size), one.binary() == b"\x01" * size)
    print(cls.nil().is_nil(), cls.nil().hex()[:8], cls.from_random() != cls.from_random()
          if hasattr(cls, "from_random") else "", cls.size())
    show("short", lambda: cls(b"1"))
print(ray.JobID.from_int(5).hex(), ray.JobID.from_int(5).int_value() if hasattr(ray.JobID, "int_value") else "")
print(ray.NodeID.from_hex("01" * 28) == ray.NodeID(b"\x01" * 28), len({ray.JobID.from_int(1), ray.JobID.from_int(1)}))
