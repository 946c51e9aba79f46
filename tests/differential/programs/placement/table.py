import ray
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group

group = placement_group([{"CPU": 1, "GPU": 0}, {"CPU": 0.5}], strategy="SPREAD", name="described")
ray.get(group.ready())
row = placement_group_table(group)
print(row["name"], row["strategy"], row["state"], row["placement_group_id"] == group.id.hex())
print(row["bundles"], sorted(row["bundles_to_node_id"]), row["stats"]["scheduling_state"])
whole = placement_group_table()
print(whole[group.id.hex()]["name"], type(whole).__name__)
remove_placement_group(group)
print(placement_group_table(group)["state"])
show("by name", lambda: placement_group_table("described"))
