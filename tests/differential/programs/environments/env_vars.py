import os

import ray


def read(*names):
    return [os.environ.get(name) for name in names]


@ray.remote
def task():
    return read("FIRST", "SECOND")


@ray.remote
def parent():
    return task_values(), ray.get(task.remote()), ray.get(task.options(runtime_env={"env_vars": {"SECOND": "c"}}).remote())


def task_values():
    return [os.environ.get("FIRST"), os.environ.get("SECOND")]


@ray.remote(runtime_env={"env_vars": {"FIRST": "actor"}})
class A:
    def values(self):
        return task_values()

    def child(self):
        return ray.get(task.remote())


print(ray.get(task.remote()))
print(ray.get(task.options(runtime_env={"env_vars": {"FIRST": "a"}}).remote()))
print(ray.get(parent.options(runtime_env={"env_vars": {"FIRST": "a", "SECOND": "b"}}).remote()))
print(ray.get(A.remote().values.remote()), ray.get(A.remote().child.remote()))
print(task_values())
