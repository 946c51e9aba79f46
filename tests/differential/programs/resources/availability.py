# session: resources={"special": 2}, num_gpus=2
import time

import ray


def free(name):
    return ray.available_resources().get(name, 0)


def wait_for(name, amount):
    deadline = time.monotonic() + 10
    while free(name) != amount and time.monotonic() < deadline:
        time.sleep(0.005)
    return free(name)


@ray.remote
class Holder:
    def assigned(self):
        return sorted(ray.get_runtime_context().get_assigned_resources().items())


wait_for("CPU", 4)
print(ray.cluster_resources()["CPU"], ray.cluster_resources()["special"], ray.cluster_resources()["GPU"])
for options in ({"num_cpus": 1}, {"num_cpus": 0.5, "resources": {"special": 1.5}}, {"num_gpus": 0.25}):
    holder = Holder.options(**options).remote()
    assigned = ray.get(holder.assigned.remote())
    print(options, assigned)
    print([wait_for(name, total - dict(assigned).get(name, 0))
           for name, total in (("CPU", 4), ("special", 2), ("GPU", 2))])
    ray.kill(holder)
    print([wait_for(name, total) for name, total in (("CPU", 4), ("special", 2), ("GPU", 2))])
print(sorted(ray.nodes()[0]["Resources"].items() & {("CPU", 4.0), ("special", 2.0)}), ray.nodes()[0]["Alive"])
