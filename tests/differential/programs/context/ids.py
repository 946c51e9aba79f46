import ray

@ray.remote
def task():
    c = ray.get_runtime_context()
    return [len(x) for x in (c.get_task_id(), c.get_job_id(), c.get_node_id(), c.get_worker_id())], c.get_actor_id()


@ray.remote
class A:
    def ids(self):
        c = ray.get_runtime_context()
        return [len(x) for x in (c.get_task_id(), c.get_job_id(), c.get_node_id(), c.get_worker_id(), c.get_actor_id())]


print(ray.get(task.remote()), ray.get(A.remote().ids.remote()))
c = ray.get_runtime_context()
print(len(c.get_worker_id()), c.get_task_name(), c.get_task_function_name(), c.get_actor_name())
print(c.namespace == ray.get(ray.remote(lambda: ray.get_runtime_context().namespace).remote()))
print(c.get_job_id() == ray.get(ray.remote(lambda: ray.get_runtime_context().get_job_id()).remote()))
