import abc

import ray


def make():
    class Base(abc.ABC):
        shared = []

        @abc.abstractmethod
        def name(self): ...

        def describe(self):
            return f"<{self.name()}>"

    class Child(Base):
        def name(self):
            return "child"

        def describe(self):
            return super().describe() + "!"

        @property
        def upper(self):
            return self.name().upper()

        @classmethod
        def build(cls):
            return cls()

        @staticmethod
        def static():
            return "static"

    return Base, Child


Base, Child = make()


@ray.remote
def use(x):
    return x.describe(), x.upper, x.static(), type(x.build()) is type(x), isinstance(x, Base)


@ray.remote
def create():
    return Child()


@ray.remote
def grow(n):
    Base.shared.append(n)
    return len(Base.shared)


print(ray.get(use.remote(Child())))
print(isinstance(ray.get(create.remote()), Child), type(ray.get(create.remote())) is Child)
print(ray.get(grow.remote(1)) >= 1, Base.shared)


class Meta(type):
    def __call__(cls, *args):
        made = super().__call__(*args)
        made.by_meta = True
        return made


class Made(metaclass=Meta):
    pass


@ray.remote
def made():
    return Made().by_meta, type(Made).__name__


print(ray.get(made.remote()))


@ray.remote
class Inherits(Child):
    def get(self):
        return self.describe()


print(ray.get(Inherits.remote().get.remote()))
