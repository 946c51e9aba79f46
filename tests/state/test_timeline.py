"""`ray.timeline` and spans."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from pyray.observability.timeline import LANE, Rows
from pyray.profiling import profile


def slices(trace: Any, name: str) -> list[dict[str, Any]]:
    return [event for event in trace if event["ph"] == "X" and event["name"] == name]


def end_of(event: dict[str, Any]) -> float:
    """When a slice ends, in whole nanoseconds: sums of floats are a little off."""
    return round(event["ts"] + event["dur"], 3)


def test_tasks_are_slices_and_arrows_join_them(ray_session: ModuleType, tmp_path: Any) -> None:
    ray = ray_session

    @ray.remote
    def makes() -> int:
        return 1

    @ray.remote
    def takes(value: int) -> int:
        with profile("inside", {"value": str(value)}):
            return value + 1

    assert ray.get(takes.remote(makes.remote())) == 2
    path = tmp_path / "trace.json"
    assert ray.timeline(str(path)) is None
    trace = json.loads(path.read_text())
    [made], [took], [inside] = (slices(trace, name) for name in ("makes", "takes", "inside"))
    assert end_of(made) <= took["ts"]
    assert took["ts"] <= inside["ts"]
    assert end_of(inside) <= end_of(took)
    assert (inside["tid"], inside["args"]) == (took["tid"], {"value": "1"})
    ends = [e for e in trace if e["ph"] == "f" and e["ts"] == took["ts"]]
    begins = {e["id"]: e for e in trace if e["ph"] == "s"}
    by_name = {end["name"]: begins[end["id"]] for end in ends}
    assert by_name["argument"]["tid"] == made["tid"]
    assert by_name["submit"]["tid"] != made["tid"]  # the driver's row


def test_overlapping_slices_get_rows_of_their_own() -> None:
    rows = Rows()
    assert rows.row_of(7, 0, 100) == 7
    assert rows.row_of(7, 10, 20) == 7  # inside the first
    assert rows.row_of(7, 15, 120) == 7 + LANE
    assert rows.row_of(7, 100, 110) == 7
    assert rows.row_of(8, 100, 110) == 8
    assert [event["args"]["name"] for event in rows.names({7: "driver"})] == [
        "driver 7",
        "driver 7 (2)",
        "worker 8",
    ]


def test_a_span_is_kept_when_its_block_raises(ray_session: ModuleType) -> None:
    with pytest.raises(ZeroDivisionError), profile("raises", {"much": "x" * 1000}):
        _ = 1 / 0
    assert len(slices(ray_session.timeline(), "raises")) == 1
