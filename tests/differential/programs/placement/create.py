import ray
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

pg = placement_group([{"CPU": 1}, {"CPU": 2}], strategy="PACK", name="")
print(ray.get(pg.ready()) == pg if False else type(ray.get(pg.ready())).__name__, pg.wait(10))
print(pg.bundle_specs, pg.bundle_count, type(pg.id).__name__, len(pg.id.hex()), pg == pg)


@ray.remote(num_cpus=1)
def f():
    return ray.util.get_current_placement_group() is not None


strategy = PlacementGroupSchedulingStrategy(placement_group=pg, placement_group_bundle_index=0)
print(ray.get(f.options(scheduling_strategy=strategy).remote()), ray.get(f.remote()))
table = placement_group_table(pg)
print(sorted(table), table["state"], table["strategy"], table["bundles"])
remove_placement_group(pg)
print(placement_group_table(pg)["state"])
