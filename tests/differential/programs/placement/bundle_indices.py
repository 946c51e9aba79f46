import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

group = placement_group([{"CPU": 1}, {"CPU": 2}])
ray.get(group.ready())


@ray.remote(num_cpus=1)
def f():
    return "ran"


@ray.remote(num_cpus=1)
class A:
    def m(self):
        return "ran"


def strategy(index):
    return PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index)


for index in (-1, 0, 1):
    print(index, ray.get(f.options(scheduling_strategy=strategy(index)).remote(), timeout=20))
for index in (2, -2):
    tell(f"{index}", lambda: f.options(scheduling_strategy=strategy(index)).remote())
    tell(f"actor {index}", lambda: A.options(scheduling_strategy=strategy(index)).remote())
tell("too large", lambda: f.options(num_cpus=2, scheduling_strategy=strategy(0)).remote())
tell("too large for all", lambda: f.options(num_cpus=3, scheduling_strategy=strategy(-1)).remote())
tell("other resource", lambda: f.options(resources={"x": 1}, scheduling_strategy=strategy(0)).remote())
remove_placement_group(group)
