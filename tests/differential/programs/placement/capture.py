import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

pg = placement_group([{"CPU": 2}])
ray.get(pg.ready())


@ray.remote(num_cpus=1)
def child():
    return ray.util.get_current_placement_group() is not None


@ray.remote(num_cpus=1)
def parent():
    escaping = child.options(scheduling_strategy="DEFAULT")
    return ray.get([child.remote(), escaping.remote()])


for capture in (True, False):
    strategy = PlacementGroupSchedulingStrategy(pg, placement_group_capture_child_tasks=capture)
    print(capture, ray.get(parent.options(scheduling_strategy=strategy).remote(), timeout=20))
remove_placement_group(pg)
