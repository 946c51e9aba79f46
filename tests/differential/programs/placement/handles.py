import pickle

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

group = placement_group([{"CPU": 1}])
other = placement_group([{"CPU": 1}])
again = ray.cloudpickle.loads(ray.cloudpickle.dumps(group))
print(again == group, again == other, hash(again) == hash(group), len({group, again, other}))
print(group.bundle_count, group.is_empty, again.bundle_specs, PlacementGroup.empty().is_empty)


@ray.remote(num_cpus=0)
def ready(group):
    return type(ray.get(group.ready())).__name__, group.wait(5)


print(ray.get(ready.remote(group)), ray.get(ready.remote({"in": group}["in"])))
print(isinstance(group.ready(), ray.ObjectRef))
remove_placement_group(group)
remove_placement_group(other)
