import ray
import time


@ray.remote
class A:
    def m(self):
        return "m"


a = A.options(name="ends").remote()
print(ray.get(a.m.remote()))
del a
deadline = time.monotonic() + 20
gone = False
while not gone and time.monotonic() < deadline:
    try:
        ray.get_actor("ends")
        time.sleep(0.05)
    except ValueError:
        gone = True
print(gone)
b = A.options(name="stays", lifetime="detached").remote()
print(ray.get(b.m.remote()))
del b
time.sleep(0.5)
print(ray.get(ray.get_actor("stays").m.remote()))
ray.kill(ray.get_actor("stays"))
