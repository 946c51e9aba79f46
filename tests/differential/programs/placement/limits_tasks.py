import ray
import time

from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

pg = placement_group([{"CPU": 1}])
ray.get(pg.ready())


@ray.remote(num_cpus=1)
def begun_and_ended():
    begun = time.monotonic()
    time.sleep(0.2)
    return begun, time.monotonic()


inside = begun_and_ended.options(scheduling_strategy=PlacementGroupSchedulingStrategy(pg))
times = sorted(ray.get([inside.remote() for _ in range(3)]))
print(all(later[0] >= earlier[1] for earlier, later in zip(times, times[1:])))
print(ray.available_resources()["CPU"])
remove_placement_group(pg)
deadline = time.monotonic() + 10
while ray.available_resources()["CPU"] != 4 and time.monotonic() < deadline:
    time.sleep(0.02)
print(ray.available_resources()["CPU"])
show("removed", lambda: ray.get(inside.remote(), timeout=10))
