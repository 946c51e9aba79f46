import ray

class Base:
    def __init__(self):
        self.name = "base"

    def hello(self):
        return f"hello from {self.name}"

    def who(self):
        return "Base"


@ray.remote
class Child(Base):
    def __init__(self):
        super().__init__()
        self.name = "child"

    def who(self):
        return f"Child of {super().who()}"


child = Child.remote()
print(ray.get([child.hello.remote(), child.who.remote()]))


def subclass():
    class Grandchild(Child):
        pass

    return Grandchild


show("subclass", subclass)
show("instance", lambda: ray.get(Child.remote().nothing.remote()))
