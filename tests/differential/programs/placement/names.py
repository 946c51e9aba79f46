import ray
from ray.util.placement_group import get_placement_group, placement_group, remove_placement_group

pg = placement_group([{"CPU": 1}], name="mine")
ray.get(pg.ready())
found = get_placement_group("mine")
print(found == pg, found.id == pg.id, found.bundle_specs)
tell("unknown", lambda: get_placement_group("nobody"))
tell("empty", lambda: get_placement_group(""))
print([one["name"] for one in ray.util.placement_group_table().values() if one["state"] == "CREATED"])


@ray.remote(num_cpus=0)
def use(pg):
    return pg.bundle_specs, get_placement_group("mine") == pg


print(ray.get(use.remote(pg)))
remove_placement_group(pg)
show("removed", lambda: get_placement_group("mine"))
