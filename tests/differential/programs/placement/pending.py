import ray
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

spread = placement_group([{"CPU": 1}, {"CPU": 1}], strategy="STRICT_SPREAD")
large = placement_group([{"CPU": 100}])
custom = placement_group([{"unknown": 1}])
for group in (spread, large, custom):
    print(group.wait(0.02), placement_group_table(group)["state"])
    show("ready", lambda: ray.get(group.ready(), timeout=0.02))


@ray.remote(num_cpus=1)
def f():
    return 1


inside = f.options(scheduling_strategy=PlacementGroupSchedulingStrategy(large)).remote()
print(ray.wait([inside], timeout=0.02)[0])
for group in (spread, large, custom):
    remove_placement_group(group)
    remove_placement_group(group)
    print(placement_group_table(group)["state"])
