import ray
import os
import tempfile

path = os.path.join(tempfile.mkdtemp(), "tries")


@ray.remote(max_restarts=-1, max_task_retries=3)
class A:
    def flaky(self):
        with open(path, "a") as file:
            file.write("x")
        if os.path.getsize(path) < 3:
            os._exit(1)
        return os.path.getsize(path)

    def m(self):
        return "m"


a = A.remote()
refs = [a.flaky.remote(), a.m.remote(), a.m.remote()]
print(ray.get(refs, timeout=40))
