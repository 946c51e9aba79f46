"""One process and a plain loop: what parallel work has to beat to be worth it."""
# ruff: noqa: ARG002 (each method takes what any system may need for its workload)

from typing import Any

import tasks
from tasks import FloatArray

from systems.adapter import Adapter


class Serial(Adapter):
    """No workers at all."""

    workers = 1

    def version(self) -> str:
        return "a loop in one process"

    def slice_sums(self, values: FloatArray, count: int) -> list[float]:
        return [tasks.slice_sum(values, i, count) for i in range(count)]

    def pool_map(self, values: list[float]) -> list[float]:
        times_ten = tasks.times_ten
        return [times_ten(x) for x in values]

    def pipeline(self, blocks: list[FloatArray], stages: int) -> list[float]:
        for _ in range(stages):
            blocks = [tasks.stage(block) for block in blocks]
        return [float(block[-1]) for block in blocks]

    def grid_search(self, values: FloatArray, labels: Any) -> float:
        return tasks.grid_search(values, labels, 1)

    def multiply(self, values: list[float], array: FloatArray) -> list[float]:
        times_ten = tasks.times_ten
        return [times_ten(x) for x in values]
