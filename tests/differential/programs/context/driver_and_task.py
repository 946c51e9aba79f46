import ray

context = ray.get_runtime_context()
print(context.get_task_id(), context.get_actor_id(), context.get_job_id())
print(len(context.get_node_id()))

@ray.remote
def look():
    context = ray.get_runtime_context()
    return len(context.get_task_id()), context.get_task_name(), context.get_actor_id()

show("task", lambda: ray.get(look.remote()))
