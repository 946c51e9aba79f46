import ray
from ray.util.placement_group import placement_group

for label, call in {
    "no bundles": lambda: placement_group([]),
    "empty bundle": lambda: placement_group([{}]),
    "zero": lambda: placement_group([{"CPU": 0}]),
    "strategy": lambda: placement_group([{"CPU": 1}], strategy="ANY"),
    "not a list": lambda: placement_group({"CPU": 1}),
    "not dicts": lambda: placement_group(["CPU"]),
    "lifetime": lambda: placement_group([{"CPU": 1}], lifetime="ever"),
    "negative": lambda: placement_group([{"CPU": -1}]),
}.items():
    tell(label, call)
