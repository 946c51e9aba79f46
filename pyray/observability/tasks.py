"""Tasks and actors of a session as rows of the state API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyray.errors.failures import Cause, exception_of
from pyray.observability import records
from pyray.observability.records import Actor, Event, Session, Task, text_of

TASK_STATES = {
    "SUBMITTING": "PENDING_ARGS_AVAIL",
    "WAITING": "PENDING_ARGS_AVAIL",
    "READY": "PENDING_NODE_ASSIGNMENT",
    "RUNNING": "RUNNING",
}
"""Ray's names for the states of tasks that have not ended."""
ACTOR_STATES = {"PENDING": "PENDING_CREATION", "ENDING": "ALIVE"}
ERROR_TYPES = {
    Cause.WORKER_DIED: "WORKER_DIED",
    Cause.ACTOR_UNAVAILABLE: "ACTOR_UNAVAILABLE",
    Cause.OWNER_DIED: "OWNER_DIED",
    Cause.CANCELLED: "TASK_CANCELLED",
    Cause.STORE_FULL: "OUT_OF_DISK_ERROR",
    Cause.OUT_OF_MEMORY: "OUT_OF_MEMORY",
    Cause.ACTOR_CREATION: "ACTOR_DIED",
    Cause.PLACEMENT_REMOVED: "TASK_PLACEMENT_GROUP_REMOVED",
    Cause.ACTOR_PLACEMENT_REMOVED: "ACTOR_PLACEMENT_GROUP_REMOVED",
}
EXCEPTION = "TASK_EXECUTION_EXCEPTION"
OTHERS = 1
"""The label that stands for many names."""


class TaskRows:
    """Makes rows of tasks.

    Args:
        session: Where they are.
        detail: Whether to fill the fields that are shown on demand.
    """

    def __init__(self, session: Session, *, detail: bool) -> None:
        self.session = session
        self.detail = detail
        self._tail = session.task_id(0)[16:]
        self._driver = "f" * 40 + session.job_id()
        self._node = session.node_id()
        self._names: dict[tuple[int, bytes], str] = {}
        self._ids: dict[int, str] = {}
        self._rows: dict[tuple[object, ...], dict[str, Any]] = {}

    def all(self, most: int | None) -> Iterator[dict[str, Any]]:
        """Yield rows: what runs and waits first, then what ended, the last ones first.

        Args:
            most: After so many, rows are empty: they are only counted.
        """
        live = self.session.tasks()  # before the events: a task that ends in between is in both
        events = self.session.events()
        if any(one.parent for one in live) or any(event.parent for event in events):
            self._ids = {event.serial: f"{event.id:016x}{self._tail}" for event in events}
            self._ids.update((task.serial, f"{task.id:016x}{self._tail}") for task in live)
        ended = {(event.serial, event.attempt) for event in events[-8192:]}
        live.sort(key=lambda task: (task.started_ns == 0, task.serial))
        for task in live:
            state = TASK_STATES.get(records.TASK_STATES[task.state])
            if state and task.label and (task.serial, task.attempt) not in ended:
                yield self._of_task(task, state)
        for event in reversed(events):
            yield self._of_event(event) if most is None or most > 0 else {}
            if most is not None:
                most -= 1

    def _name(self, label: int, name: bytes) -> str:
        """Return the whole name: the record's is cut."""
        found = self._names.get((label, name))
        if found is None:
            found = self.session.label(label) if label > OTHERS else text_of(name)
            self._names[label, name] = found
        return found

    def _shared(self, one: Task | Event, state: str, task_flags: int, cause: int) -> dict[str, Any]:
        """Return what rows of tasks have in common that ran in the same process, to be copied."""
        name = self._name(one.label, one.name)
        kind = "NORMAL_TASK"
        if task_flags & records.CREATES_ACTOR:
            kind = "ACTOR_CREATION_TASK"
        elif task_flags & records.OF_ACTOR:
            kind = "ACTOR_TASK"
        error = None
        if state == "FAILED":
            error = ERROR_TYPES.get(Cause(cause), "ACTOR_DIED") if cause else EXCEPTION
        session = self.session
        return {
            "task_id": "",
            "attempt_number": 0,
            "name": name,
            "state": state,
            "job_id": session.job_id(one.job),
            "actor_id": session.actor_id(one.actor, one.actor_generation) if one.actor else None,
            "type": kind,
            "func_or_class_name": name,
            "parent_task_id": self._driver,
            "node_id": self._node if one.pid else None,
            "worker_id": session.worker_id(one.pid) if one.pid else None,
            "worker_pid": one.pid or None,
            "error_type": error,
        }

    def _row(self, one: Task | Event, state: str, task_flags: int, cause: int) -> dict[str, Any]:
        key = (
            one.label,
            one.name,
            state,
            task_flags,
            one.pid,
            one.actor,
            one.actor_generation,
            cause,
        )
        shared = self._rows.get(key)
        if shared is None:
            shared = self._rows[key] = self._shared(one, state, task_flags, cause)
        row = shared.copy()
        row["task_id"] = f"{one.id:016x}{self._tail}"
        row["attempt_number"] = one.attempt
        if one.parent:
            row["parent_task_id"] = self._ids.get(one.parent, "")
        return row

    def _of_task(self, task: Task, state: str) -> dict[str, Any]:
        row = self._row(task, state, task.flags, 0)
        if self.detail:
            row |= self._details(task, 0, state)
        return row

    def _of_event(self, event: Event) -> dict[str, Any]:
        failed = event.flags & records.FAILED
        state = "FAILED" if failed else "FINISHED"
        row = self._row(event, state, event.task_flags, event.cause)
        if self.detail:
            row |= self._details(event, event.ended_ns, state)
            row["error_message"] = self._message(event) if failed else None
        return row

    def _message(self, event: Event) -> str:
        if not event.cause:
            return self.session.reader.text(event.text)
        ran_ms = (event.ended_ns - event.started_ns) // 1_000_000 if event.started_ns else 0
        name = self._name(event.label, event.name)
        return str(exception_of(event.cause, event.pid, event.wait_status, ran_ms, name, None))

    def _details(self, one: Task | Event, ended_ns: int, state: str) -> dict[str, Any]:
        wall_ms = self.session.wall_ms
        resources, environment, group = self.session.demand(one.shape)
        moments = [("PENDING_ARGS_AVAIL", one.submitted_ns), ("RUNNING", one.started_ns)]
        if ended_ns:
            moments.append((state, ended_ns))
        return {
            "language": "PYTHON",
            "required_resources": resources,
            "runtime_env_info": {"environment": environment} if environment else None,
            "placement_group_id": group_id(self.session, group),
            "events": [
                {"state": name, "created_ms": (at + self.session.clock_offset_ns) / 1e6}
                for name, at in moments
                if at
            ],
            "creation_time_ms": wall_ms(one.submitted_ns),
            "start_time_ms": wall_ms(one.started_ns),
            "end_time_ms": wall_ms(ended_ns),
        }


def task_rows(
    session: Session, *, detail: bool, most: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield rows of tasks; see `TaskRows.all`."""
    return TaskRows(session, detail=detail).all(most)


def group_id(session: Session, index: int, generation: int | None = None) -> str | None:
    """Return the id of a placement group; None for none."""
    if not index:
        return None
    if generation is None:
        found = [one for one in session.reader.placements() if one[0] == index]
        if not found:
            return None
        generation = found[0][1]
    return (
        index.to_bytes(4, "big") + generation.to_bytes(4, "big") + session.nonce.to_bytes(8, "big")
    )[:14].hex() + session.job_id()


def actor_rows(session: Session, *, detail: bool) -> Iterator[dict[str, Any]]:
    """Yield rows of actors: the living ones first, then the dead ones, the last ones first."""
    for actor in session.actors():
        if records.ACTOR_STATES[actor.state] != "DEAD":
            yield _actor_row(session, actor, detail=detail)
    for actor in reversed(session.ended_actors()):
        yield _actor_row(session, actor, detail=detail)


def _actor_row(session: Session, actor: Actor, *, detail: bool) -> dict[str, Any]:
    state = records.ACTOR_STATES[actor.state]
    text = actor.text[: actor.space_size + actor.name_size]
    row: dict[str, Any] = {
        "actor_id": session.actor_id(actor.place, actor.generation),
        "class_name": session.label(actor.label).removesuffix(".__init__"),
        "state": ACTOR_STATES.get(state, state),
        "job_id": session.job_id(actor.job),
        "name": text[actor.space_size :].decode("utf-8", "replace"),
        "node_id": session.node_id(),
        "pid": actor.pid,
        "ray_namespace": text[: actor.space_size].decode("utf-8", "replace"),
    }
    if detail:
        resources, _, group = session.demand(actor.shape)
        row |= {
            "required_resources": resources,
            "death_cause": _death(session, actor) if state == "DEAD" else None,
            "is_detached": bool(actor.flags & records.DETACHED),
            "placement_group_id": group_id(session, group),
            "num_restarts": actor.restarts,
        }
    return row


def _death(session: Session, actor: Actor) -> dict[str, Any]:
    name = session.label(actor.label)
    cause = actor.cause or Cause.ACTOR_DIED
    error = exception_of(cause, actor.pid, actor.wait_status, 0, name, None)
    return {"actor_died_error_context": {"error_message": str(error), "pid": actor.pid}}
