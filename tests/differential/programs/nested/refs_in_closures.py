import ray

ref = ray.put("captured")


@ray.remote
def closure():
    return ray.get(ref)


print(ray.get(closure.remote()))


@ray.remote
class Holder:
    def get(self):
        return ray.get(ref)


print(ray.get(Holder.remote().get.remote()))
