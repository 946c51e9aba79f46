import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

pg = placement_group([{"CPU": 1}, {"CPU": 1}])
ray.get(pg.ready())


@ray.remote(num_cpus=1)
class A:
    def inside(self):
        return ray.util.get_current_placement_group() is not None

    def m(self):
        return 1


actors = [A.options(scheduling_strategy=PlacementGroupSchedulingStrategy(pg, i)).remote() for i in range(2)]
print(ray.get([actor.inside.remote() for actor in actors]))
remove_placement_group(pg)



def call_until_it_fails(actor):
    while True:
        ray.get(actor.m.remote(), timeout=20)


for actor in actors:
    show("removed", lambda: call_until_it_fails(actor))
