import ray

@ray.remote
class A:
    def look(self):
        c = ray.get_runtime_context()
        return c.get_task_name(), c.get_task_function_name(), c.get_actor_name()

    def assigned(self):
        return sorted(ray.get_runtime_context().get_assigned_resources().items())


print(ray.get(A.remote().look.remote()))
named = A.options(name="named", num_cpus=0.5).remote()
print(ray.get(named.look.remote()), ray.get(named.assigned.remote()))
print(ray.get(A.remote().assigned.remote()))


@ray.remote(num_cpus=0.5)
def f():
    c = ray.get_runtime_context()
    return c.get_task_name(), c.get_task_function_name(), c.get_actor_name(), c.get_assigned_resources()


print(ray.get(f.remote()))
show("driver", lambda: ray.get_runtime_context().get_assigned_resources())
show("actor handle", lambda: ray.get_runtime_context().current_actor)
