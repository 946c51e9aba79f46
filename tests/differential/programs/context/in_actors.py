import ray


@ray.remote(num_cpus=1)
class A:
    def __init__(self):
        self.first = ray.get_runtime_context().get_task_name()

    def look(self):
        context = ray.get_runtime_context()
        return (
            self.first, context.get_actor_name(), context.get_task_name(), context.get_task_function_name(),
            context.get_assigned_resources(), context.was_current_actor_reconstructed,
            context.get_actor_id() is not None, context.get_task_id()[-8:] == context.get_job_id(),
        )

    def same(self, handle):
        return ray.get_runtime_context().current_actor == handle, ray.get_runtime_context().get_actor_id() == handle._actor_id.hex()

    def thread(self):
        import threading

        found = []
        worker = threading.Thread(target=lambda: found.append(ray.get_runtime_context().get_actor_name()))
        worker.start()
        worker.join()
        return found


a = A.options(name="looker").remote()
for value in ray.get(a.look.remote()):
    print(repr(value).replace("__main__.", ""))
print(ray.get(a.same.remote(a)), ray.get(a.thread.remote()))
unnamed = A.remote()
print(ray.get(unnamed.look.remote())[1] in ("", None))
context = ray.get_runtime_context()
show("current actor", lambda: context.current_actor)
show("actor id", context.get_actor_id)
show("resources", context.get_assigned_resources)
show("reconstructed", lambda: context.was_current_actor_reconstructed)
show("gcs", lambda: type(context.gcs_address).__name__)
show("accelerators", lambda: context.get_accelerator_ids()["GPU"])
