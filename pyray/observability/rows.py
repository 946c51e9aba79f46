"""Objects, processes, the machine, drivers, groups and environments as rows of the state API."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyray.observability import memory, records
from pyray.observability.records import job_id
from pyray.observability.tasks import actor_rows

if TYPE_CHECKING:
    from pyray.observability.records import Session

IP = "127.0.0.1"
PLACEMENT_STATES = ("", "PENDING", "CREATED", "REMOVED", "PENDING")
CREATED, INFEASIBLE = 2, 4
SCHEDULING_STATES = {CREATED: "FINISHED", INFEASIBLE: "INFEASIBLE"}


def object_rows(session: Session, *, detail: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each holder of each object, the largest objects first."""
    del detail
    roles = {slot.pid: records.SLOT_KINDS[slot.kind] for slot in session.slots()}
    for one in memory.object_reports(session):
        if one.what == "code":
            continue
        status = "FINISHED" if one.state == "SEALED" else "PENDING_ARGS_AVAIL"
        for holder in one.holders or [memory.Holder("UNKNOWN_STATUS")]:
            yield {
                "object_id": one.id,
                "object_size": one.size_bytes,
                "task_status": "NIL" if one.what == "actor handle" else status,
                "attempt_number": 1,
                "reference_type": holder.kind,
                "call_site": one.site or memory.NO_SITES,
                "type": roles.get(holder.pid, "WORKER"),
                "pid": holder.pid,
                "ip": IP,
            }


def worker_rows(session: Session, *, detail: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each process of the session, the supervisor left out."""
    for slot in session.slots():
        kind = records.SLOT_KINDS[slot.kind]
        if kind == "SUPERVISOR" or not slot.pid:
            continue
        row: dict[str, Any] = {
            "worker_id": session.worker_id(slot.pid),
            "is_alive": records.SLOT_STATES[slot.state] != "DEAD",
            "worker_type": kind,
            "exit_type": None,
            "node_id": session.node_id(),
            "ip": IP,
            "pid": slot.pid,
        }
        if detail:
            began = started_ms(slot.pid)
            row |= {
                "worker_launch_time_ms": began,
                "worker_launched_time_ms": began,
                "start_time_ms": began,
                "num_paused_threads": 0,
            }
        yield row


def started_ms(pid: int) -> int | None:
    """Return when a process began, in milliseconds since 1970."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        since_boot_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        boot_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return round((boot_s + since_boot_s) * 1000)
    return None


def node_rows(session: Session, *, detail: bool) -> Iterator[dict[str, Any]]:
    """Yield the one row of the machine."""
    totals = {
        name: total / 10_000
        for name, (total, _) in session.reader.resources().items()
        if name != "(unknown)"
    }
    totals["object_store_memory"] = float(session.reader.store_stats()["capacity_bytes"])
    row: dict[str, Any] = {
        "node_id": session.node_id(),
        "node_ip": IP,
        "is_head_node": True,
        "state": "ALIVE",
        "state_message": None,
        "node_name": IP,
        "resources_total": totals,
        "labels": {"ray.io/node-id": session.node_id()},
    }
    if detail:
        began = [started_ms(one.pid) for one in session.slots() if one.kind == 2]
        row |= {"start_time_ms": began[0] if began else None, "end_time_ms": 0}
    yield row


def job_rows(session: Session, *, detail: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each driver."""
    for slot in session.slots():
        if records.SLOT_KINDS[slot.kind] != "DRIVER" or not slot.job:
            continue
        row: dict[str, Any] = {
            "job_id": job_id(slot.job),
            "submission_id": None,
            "entrypoint": _command_line(slot.pid),
            "type": "DRIVER",
            "status": "RUNNING",
        }
        if detail:
            row |= {
                "driver_info": {
                    "id": job_id(slot.job),
                    "node_ip_address": IP,
                    "pid": str(slot.pid),
                },
                "start_time": started_ms(slot.pid),
            }
        yield row


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return b" ".join(words).decode("utf-8", "replace")
    return ""


def placement_rows(session: Session, *, detail: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each placement group."""
    for group in session.placements():
        row: dict[str, Any] = {
            "placement_group_id": session.placement_id(group),
            "name": group.name,
            "creator_job_id": job_id(group.job),
            "state": PLACEMENT_STATES[group.state],
        }
        if detail:
            row |= {
                "bundles": [
                    {
                        "bundle_index": number,
                        "node_id": session.node_id() if group.state == CREATED else None,
                        "unit_resources": {
                            resource: units / 10_000 for resource, units in demand.items()
                        },
                    }
                    for number, demand in enumerate(group.demands)
                ],
                "is_detached": group.is_detached,
                "stats": {"scheduling_state": SCHEDULING_STATES.get(group.state, "QUEUED")},
            }
        yield row


def environment_rows(session: Session, *, detail: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each environment that workers of the session have."""
    users: dict[int, int] = {}
    for slot in session.slots():
        if slot.environment:
            users[slot.environment] = users.get(slot.environment, 0) + 1
    for number, count in sorted(users.items()):
        row: dict[str, Any] = {
            "runtime_env": {"environment": number},
            "success": True,
            "creation_time_ms": None,
            "node_id": session.node_id(),
        }
        if detail:
            row["ref_cnt"] = count
        yield row


ROWS = {
    "actors": actor_rows,
    "objects": object_rows,
    "workers": worker_rows,
    "nodes": node_rows,
    "jobs": job_rows,
    "placement_groups": placement_rows,
    "runtime_envs": environment_rows,
}
"""Resource -> function that yields its rows; tasks have `TaskRows`."""
