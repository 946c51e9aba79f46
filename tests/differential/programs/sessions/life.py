# session: own
import ray

print(ray.is_initialized())
ray.shutdown()
show("get before", lambda: ray.get_actor("x"))
print(ray.is_initialized())
ray.shutdown()
context = ray.init(num_cpus=1, log_to_driver=False, include_dashboard=False, logging_level="ERROR")
print(ray.is_initialized(), type(context).__name__, sorted(key for key in context.address_info if key == "node_id"))
tell("twice", lambda: ray.init())
print(type(ray.init(ignore_reinit_error=True)).__name__)
old = ray.put(1)
ray.shutdown()
print(ray.is_initialized())
