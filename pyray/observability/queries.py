"""Questions about a session's state: rows, filtered, counted and cut to a limit.

`pyray.util.state`, the command line and servers ask here. Answers are made from copies of the
session's tables and rings (`pyray.observability.records`), of this process's session or of any
other one of this user.
"""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pyray.observability import memory, records
from pyray.observability.filters import Answer, Filter, choose, tests_of
from pyray.observability.observed import own_or_other
from pyray.observability.records import Session, text_of
from pyray.observability.rows import ROWS
from pyray.observability.schemas import (
    ActorState,
    JobState,
    NodeState,
    ObjectState,
    PlacementGroupState,
    RayStateApiException,
    RuntimeEnvState,
    ServerUnavailable,
    StateSchema,
    TaskState,
    WorkerState,
)
from pyray.observability.tasks import TASK_STATES, TaskRows

SCHEMAS: dict[str, type[StateSchema]] = {
    "tasks": TaskState,
    "actors": ActorState,
    "objects": ObjectState,
    "workers": WorkerState,
    "nodes": NodeState,
    "jobs": JobState,
    "placement_groups": PlacementGroupState,
    "runtime_envs": RuntimeEnvState,
}
ID_COLUMNS = {
    "tasks": "task_id",
    "actors": "actor_id",
    "objects": "object_id",
    "workers": "worker_id",
    "nodes": "node_id",
    "jobs": "job_id",
    "placement_groups": "placement_group_id",
}
KINDS = {"TASK": "NORMAL_TASK", "CREATION": "ACTOR_CREATION_TASK", "CALL": "ACTOR_TASK"}


def session_at(address: str | None) -> Session:
    """Return the session to read.

    Raises:
        ServerUnavailable: If there is none.
    """
    try:
        return own_or_other(address)
    except ConnectionError as error:
        raise ServerUnavailable(str(error)) from None


def query(
    session: Session,
    resource: str,
    filters: Sequence[Filter] | None = None,
    limit: int = 100,
    *,
    detail: bool = False,
) -> Answer:
    """Return rows of a resource, a key of `SCHEMAS`.

    Args:
        session: Where they are.
        resource: What to list.
        filters: (column, "=" or "!=", value); a row must pass all of them.
        limit: At most so many rows, after filtering.
        detail: Whether to fill the columns that are shown on demand.

    Raises:
        ValueError: If a predicate is neither of the two.
        RayStateApiException: If a column cannot be filtered by.
    """
    tests = tests_of(SCHEMAS[resource], filters or [])
    base = SCHEMAS[resource].base_columns()
    needs_detail = detail or any(column not in base for column, _ in tests)
    with _without_collections():
        if resource == "tasks":
            answer = TaskRows(session, detail=needs_detail, tests=tests).answer(limit)
        else:
            answer = choose(ROWS[resource](session, detail=needs_detail), tests, limit)
    if answer.num_filtered > limit:
        answer.warnings.append(
            f"Shown are {limit} of {answer.num_filtered}: use filters or a larger limit."
        )
    if resource == "tasks" and (lost := forgotten_tasks(session)) > 0:
        answer.warnings.append(
            f"The session has forgotten its {lost:,} oldest tasks; summaries count them."
        )
    return answer


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """A hundred thousand rows are no garbage, and looking for some among them takes long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def forgotten_tasks(session: Session) -> int:
    """Return how many attempts that ended are not in the ring any more."""
    return max(0, session.reader.counts()["events"] - records.EVENT_RING_ROOM)


def rows_as(resource: str, rows: Iterable[dict[str, Any]]) -> list[Any]:
    """Return rows as instances of their class."""
    schema = SCHEMAS[resource]
    empty = dict.fromkeys(schema.list_columns())
    found = []
    for row in rows:
        state = object.__new__(schema)  # as its __init__, which is slow for so many fields
        state.__dict__ = row if len(row) == len(empty) else empty | row
        found.append(state)
    return found


def one_of(session: Session, resource: str, id_: str) -> list[Any]:
    """Return the rows with this id."""
    filters = [(ID_COLUMNS[resource], "=", id_)]
    return rows_as(resource, query(session, resource, filters, 10_000, detail=True).rows)


# ---- summaries -----------------------------------------------------------------------------------


def task_summary(session: Session) -> dict[str, Any]:
    """Count tasks by name and state: all of the session, however many there were."""
    tally = session.reader.tally()
    by_name: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    labels = session.labels()
    for number, label in enumerate(labels):
        kind = KINDS.get(records.LABEL_KINDS[label.kind])
        if kind is None:
            continue
        counts = by_name[text_of(label.text), kind]
        counts["FINISHED"] += label.finished
        counts["FAILED"] += label.failed
        for state, name in enumerate(records.TASK_STATES):
            if name in TASK_STATES:
                counts[TASK_STATES[name]] += tally.get((number, state), 0)
    summary = {}
    totals: Counter[str] = Counter()
    for (name, kind), counts in by_name.items():
        state_counts = {state: count for state, count in counts.items() if count}
        if not state_counts:
            continue
        totals[kind] += sum(state_counts.values())
        key = name if name not in summary else f"{name} ({kind})"
        summary[key] = {"func_or_class_name": name, "type": kind, "state_counts": state_counts}
    return {
        "summary": summary,
        "total_tasks": totals["NORMAL_TASK"],
        "total_actor_tasks": totals["ACTOR_TASK"],
        "total_actor_scheduled": totals["ACTOR_CREATION_TASK"],
        "summary_by": "func_name",
    }


def actor_summary(session: Session) -> dict[str, Any]:
    """Count actors by class and state."""
    summary: dict[str, dict[str, Any]] = {}
    total = 0
    for row in ROWS["actors"](session, detail=False):
        name = row["class_name"]
        one = summary.setdefault(name, {"class_name": name, "state_counts": Counter()})
        one["state_counts"][row["state"]] += 1
        total += 1
    for one in summary.values():
        one["state_counts"] = dict(one["state_counts"])
    return {"summary": summary, "total_actors": total, "summary_by": "class"}


def object_summary(session: Session) -> dict[str, Any]:
    """Count objects and their holders by where they were made."""
    groups: dict[str, list[memory.ObjectReport]] = defaultdict(list)
    for one in memory.object_reports(session):
        if one.what != "code":
            groups[one.site or memory.NO_SITES].append(one)
    summary = {site: _site_summary(found) for site, found in groups.items()}
    return {
        "summary": summary,
        "total_objects": sum(one["total_objects"] for one in summary.values()),
        "total_size_mb": sum(one["total_size_mb"] for one in summary.values()),
        "callsite_enabled": any(site != memory.NO_SITES for site in groups),
        "summary_by": "callsite",
    }


def _site_summary(found: list[memory.ObjectReport]) -> dict[str, Any]:
    holders = [holder for one in found for holder in one.holders]
    states = Counter("FINISHED" if one.state == "SEALED" else "PENDING_ARGS_AVAIL" for one in found)
    return {
        "total_objects": len(found),
        "total_size_mb": sum(one.size_bytes for one in found) / 2**20,
        "total_num_workers": len({holder.pid for holder in holders if holder.pid}),
        "total_num_nodes": 1,
        "task_state_counts": dict(states),
        "task_attempt_number_counts": {"1": len(found)},
        "ref_type_counts": dict(Counter(holder.kind for holder in holders)),
    }


SUMMARIES = {"tasks": task_summary, "actors": actor_summary, "objects": object_summary}
"""Resource -> function that counts what a session has of it."""
SUMMARY_TOTALS = {
    *("total_tasks", "total_actor_tasks", "total_actor_scheduled"),
    *("total_actors", "total_objects"),
}
"""Which of the words of summaries count what was summarized."""


def explain(answer: Answer) -> None:
    """Warn about what an answer leaves out."""
    for text in answer.warnings:
        warnings.warn(text, stacklevel=4)


def process_of(
    session: Session, actor_id: str | None, task_id: str | None, attempt_number: int = 0
) -> int:
    """Return the process of an actor, or of an attempt of a task.

    Raises:
        RayStateApiException: If there is none.
    """
    if actor_id is None and task_id is None:
        raise RayStateApiException("Name a file, an actor, a task or a process.")
    if actor_id is not None:
        pids = [one.pid for one in one_of(session, "actors", actor_id)]
    else:
        found = one_of(session, "tasks", task_id or "")
        pids = [one.worker_pid for one in found if one.attempt_number == attempt_number]
    if not pids or not pids[0]:
        raise RayStateApiException(f"{actor_id or task_id} has no process.")
    return int(pids[0])
