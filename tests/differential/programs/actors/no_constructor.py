import ray

@ray.remote
class Bare:
    def hello(self):
        return "hello"


print(ray.get(Bare.remote().hello.remote()))
show("arguments", lambda: Bare.remote(1))


class Plain:
    def who(self):
        return type(self).__name__


Remote = ray.remote(Plain)
print(ray.get(Remote.remote().who.remote()), Plain().who())
