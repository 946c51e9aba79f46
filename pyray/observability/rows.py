"""Objects, processes, the machine, drivers, groups and environments as rows of the state API."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyray import obituaries
from pyray.environments import notes
from pyray.errors.failures import Cause
from pyray.observability import logs, memory, records
from pyray.observability.records import job_id
from pyray.observability.tasks import actor_rows, death_of_actor

if TYPE_CHECKING:
    from pyray.obituaries import Obituary
    from pyray.observability.records import Actor, Session

IP = "127.0.0.1"
ASKED = "INTENDED_SYSTEM_EXIT"
EXIT_TYPES = ("SYSTEM_ERROR", ASKED, "NODE_OUT_OF_MEMORY")
"""By `obituaries`' manner of death."""
EXIT_TYPES_OF_ACTORS: dict[int, str] = {
    Cause.ACTOR_KILLED: ASKED,
    Cause.ACTOR_JOB_ENDED: ASKED,
    Cause.ACTOR_PLACEMENT_REMOVED: ASKED,
    Cause.ACTOR_EXITED: "INTENDED_USER_EXIT",
}
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
    """Yield a row for each process of the session, the supervisor left out, and for its dead."""
    slots = session.slots()
    dead: dict[int, Obituary] = {}
    for one in session.obituaries():
        dead.setdefault(one.pid, one)
    for slot in slots:
        kind = records.SLOT_KINDS[slot.kind]
        began = started_ms(slot.pid)
        if kind == "SUPERVISOR" or not slot.pid or (began is None and slot.pid in dead):
            continue
        dead.pop(slot.pid, None)  # the number has another process by now
        row = _worker_row(session, slot.pid, kind)
        row["is_alive"] = began is not None and records.SLOT_STATES[slot.state] != "DEAD"
        if detail:
            row |= {**_started(began), "num_paused_threads": 0}
        yield row
    ended = {actor.pid: actor for actor in session.ended_actors()}
    for one in dead.values():
        yield _dead_worker_row(session, one, ended.get(one.pid), detail=detail)


def _worker_row(session: Session, pid: int, kind: str) -> dict[str, Any]:
    return {
        "worker_id": session.worker_id(pid),
        "is_alive": True,
        "worker_type": kind,
        "exit_type": None,
        "node_id": session.node_id(),
        "ip": IP,
        "pid": pid,
    }


def _started(began_ms: int | None) -> dict[str, Any]:
    times = ("worker_launch_time_ms", "worker_launched_time_ms", "start_time_ms")
    return dict.fromkeys(times, began_ms)


def _dead_worker_row(
    session: Session, one: Obituary, actor: Actor | None, *, detail: bool
) -> dict[str, Any]:
    row = _worker_row(session, one.pid, "WORKER")
    exit_type, words = EXIT_TYPES[one.manner], one.words
    if actor is not None and actor.cause in EXIT_TYPES_OF_ACTORS:
        exit_type = EXIT_TYPES_OF_ACTORS[actor.cause]
        if actor.cause == Cause.ACTOR_EXITED and one.manner == obituaries.ON_REQUEST:
            exit_type = ASKED  # no handle was left: who calls exit_actor() leaves in a call
        reason = death_of_actor(session, actor).rpartition("\n")[2]
        words = f"Worker exits with its actor. {reason}"
    row |= {"is_alive": False, "exit_type": exit_type}
    if detail:
        row |= {**_started(one.began_ms), "end_time_ms": one.ended_ms, "exit_detail": words}
    return row


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
    folder = logs.session_folder(session)
    workers = [one for one in session.slots() if records.SLOT_KINDS[one.kind] == "WORKER"]
    for number, count in sorted(Counter(one.environment for one in workers).items()):
        env = notes.read(folder, number) if folder else None
        if env is None and number == notes.FIRST:  # it was given none
            continue
        row: dict[str, Any] = {
            "runtime_env": {"environment": number} if env is None else env,
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
