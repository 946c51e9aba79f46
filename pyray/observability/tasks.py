"""Tasks and actors of a session as rows of the state API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from pyray.errors.failures import ActorNames, Cause, exception_of
from pyray.observability import records
from pyray.observability.filters import Answer, Test, passes
from pyray.observability.records import Actor, Event, Session, Task, job_id, text_of
from pyray.observability.schemas import TaskState

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
EMPTY = dict.fromkeys(TaskState.list_columns())
DRIVER_TASK = "f" * 40
RECENT = 8192
"""A task that ended while the session was read is among so many."""
SHARED_COLUMNS = {
    *("name", "state", "job_id", "actor_id", "type", "func_or_class_name"),
    *("node_id", "worker_id", "worker_pid", "error_type"),
}
"""What is the same for all tasks of one function that ended alike in one process."""
OWN_COLUMNS = {"task_id", "attempt_number", "parent_task_id"}
"""What is known of each of them without looking further."""


def _end_of(event: Event) -> str:
    return "FAILED" if event.flags & records.FAILED else "FINISHED"


class TaskRows:
    """Makes rows of tasks; those of many that are not wanted are not made.

    Args:
        session: Where they are.
        detail: Whether to fill the fields that are shown on demand.
        tests: What they must pass.
    """

    def __init__(self, session: Session, *, detail: bool, tests: Sequence[Test] = ()) -> None:
        self.session = session
        self.detail = detail
        own = [test for test in tests if test[0] not in SHARED_COLUMNS]
        self._shared_tests = [test for test in tests if test[0] in SHARED_COLUMNS]
        self._own_tests = [test for test in own if test[0] in OWN_COLUMNS]
        self._detail_tests = [test for test in own if test[0] not in OWN_COLUMNS]
        self._node = session.node_id()
        self._tails: dict[int, str] = {}
        self._actor_jobs: dict[tuple[int, int], int] | None = None
        self._names: dict[tuple[int, bytes], str] = {}
        self._ids: dict[int, str] = {}
        self._groups: dict[int, str | None] = {}
        self._known: Iterator[tuple[Any, ...]] = session.event_names()
        self._shared_rows: dict[tuple[object, ...], tuple[dict[str, Any], bool]] = {}

    def answer(self, limit: int) -> Answer:
        """Return rows: what runs and waits first, then what ended, the last ones first."""
        answer = Answer()
        live = self.session.tasks()  # before the events: what ends in between is in both
        self._ids.update((task.serial, self._task_id(task)) for task in live)
        has_tests = bool(self._shared_tests or self._own_tests or self._detail_tests)
        events = self.session.event_page(None if has_tests else max(limit, RECENT))
        recent = {(event.serial, event.attempt) for event in islice(events.last_first(), RECENT)}
        live.sort(key=lambda task: (task.started_ns == 0, task.serial))
        for task in live:
            state = TASK_STATES.get(records.TASK_STATES[task.state])
            if state and task.label and (task.serial, task.attempt) not in recent:
                answer.total += 1
                self._add(answer, limit, task, state)
        answer.total += events.total
        last = events.last_first()
        if has_tests:
            for event in last:
                self._add(answer, limit, event, _end_of(event))
        else:
            room = max(0, limit - len(answer.rows))
            answer.rows += [self._whole_row(one, _end_of(one)) for one in islice(last, room)]
            answer.num_filtered = answer.total
        return answer

    def _add(self, answer: Answer, limit: int, one: Task | Event, state: str) -> None:
        """Count a task that passes the tests, and append its row while there is room."""
        shared, is_wanted = self._shared(one, state)
        if not is_wanted:
            return
        has_room = len(answer.rows) < limit
        if has_room or self._own_tests or self._detail_tests:
            row = self._row(shared, one)
            if not passes(row, self._own_tests):
                return
            if self.detail and (has_room or self._detail_tests):
                row |= self._details(one, state)
            if not passes(row, self._detail_tests):
                return
            if has_room:
                answer.rows.append(row)
        answer.num_filtered += 1

    def _whole_row(self, one: Task | Event, state: str) -> dict[str, Any]:
        row = self._row(self._shared(one, state)[0], one)
        if self.detail:
            row |= self._details(one, state)
        return row

    def _tail(self, job: int) -> str:
        tail = self._tails.get(job)
        if tail is None:
            tail = self._tails[job] = self.session.task_tail(job)
        return tail

    def _task_id(self, one: Task | Event) -> str:
        return f"{one.id:016x}{self._tail(one.job)}"

    def _actor_id(self, one: Task | Event) -> str | None:
        if not one.actor:
            return None
        if self._actor_jobs is None:
            known = [*self.session.ended_actors(), *self.session.actors()]
            self._actor_jobs = {(actor.place, actor.generation): actor.job for actor in known}
        job = self._actor_jobs.get((one.actor, one.actor_generation), one.job)
        return self.session.actor_id(one.actor, one.actor_generation, job)

    def _parent_id(self, serial: int) -> str:
        """Return the id of the task with this serial number; "" if it is forgotten."""
        while serial not in self._ids:
            found = next(self._known, None)
            if found is None:
                self._ids[serial] = ""
            else:
                self._ids[found[1]] = f"{found[0]:016x}{self._tail(found[2])}"
        return self._ids[serial]

    def _name(self, label: int, name: bytes) -> str:
        """Return the whole name: the record's is cut."""
        found = self._names.get((label, name))
        if found is None:
            found = self.session.label(label) if label > OTHERS else text_of(name)
            self._names[label, name] = found
        return found

    def _group_id(self, place: int) -> str | None:
        if place not in self._groups:
            self._groups[place] = group_id(self.session, place)
        return self._groups[place]

    def _shared(self, one: Task | Event, state: str) -> tuple[dict[str, Any], bool]:
        """Return what rows have in common that differ in other columns only; is it wanted?"""
        flags, cause = (one.flags, 0) if isinstance(one, Task) else (one.task_flags, one.cause)
        actor = one.actor, one.actor_generation
        key = (one.label, one.name, state, flags, one.pid, actor, cause, one.job)
        found = self._shared_rows.get(key)
        if found is None:
            row = self._new_shared(one, state, flags, cause)
            found = self._shared_rows[key] = row, passes(row, self._shared_tests)
        return found

    def _new_shared(
        self, one: Task | Event, state: str, task_flags: int, cause: int
    ) -> dict[str, Any]:
        name = self._name(one.label, one.name)
        kind = "NORMAL_TASK"
        if task_flags & records.CREATES_ACTOR:
            kind = "ACTOR_CREATION_TASK"
        elif task_flags & records.OF_ACTOR:
            kind = "ACTOR_TASK"
        error = None
        if state == "FAILED":
            error = ERROR_TYPES.get(Cause(cause), "ACTOR_DIED") if cause else EXCEPTION
        return EMPTY | {
            "name": name,
            "state": state,
            "job_id": job_id(one.job),
            "actor_id": self._actor_id(one),
            "type": kind,
            "func_or_class_name": name,
            "parent_task_id": DRIVER_TASK + job_id(one.job),
            "node_id": self._node if one.pid else None,
            "worker_id": self.session.worker_id(one.pid) if one.pid else None,
            "worker_pid": one.pid or None,
            "error_type": error,
        }

    def _row(self, shared: dict[str, Any], one: Task | Event) -> dict[str, Any]:
        row = shared.copy()
        row["task_id"] = f"{one.id:016x}{self._tails.get(one.job) or self._tail(one.job)}"
        row["attempt_number"] = one.attempt
        if one.parent:
            row["parent_task_id"] = self._parent_id(one.parent)
        return row

    def _message(self, event: Event) -> str | None:
        if not event.flags & records.FAILED:
            return None
        if not event.cause:
            return self.session.reader.text(event.text)
        ran_ms = (event.ended_ns - event.started_ns) // 1_000_000 if event.started_ns else 0
        name = self._name(event.label, event.name)
        return str(exception_of(event.cause, event.pid, event.wait_status, ran_ms, name, None))

    def _details(self, one: Task | Event, state: str) -> dict[str, Any]:
        ended_ns = 0 if isinstance(one, Task) else one.ended_ns
        wall_ms = self.session.wall_ms
        resources, environment, group = self.session.demand(one.shape)
        moments = [("PENDING_ARGS_AVAIL", one.submitted_ns), ("RUNNING", one.started_ns)]
        if ended_ns:
            moments.append((state, ended_ns))
        return {
            "language": "PYTHON",
            "required_resources": resources,
            "runtime_env_info": {"environment": environment} if environment else None,
            "placement_group_id": self._group_id(group),
            "events": [
                {"state": name, "created_ms": (at + self.session.clock_offset_ns) / 1e6}
                for name, at in moments
                if at
            ],
            "creation_time_ms": wall_ms(one.submitted_ns),
            "start_time_ms": wall_ms(one.started_ns),
            "end_time_ms": wall_ms(ended_ns),
            "error_message": self._message(one) if isinstance(one, Event) else None,
        }


def group_id(session: Session, index: int) -> str | None:
    """Return the id of the placement group in this place; None for none."""
    if not index:
        return None
    found = (session.placement_id(one) for one in session.placements() if one.place == index)
    return next(found, None)


def actor_rows(session: Session, *, detail: bool) -> Iterator[dict[str, Any]]:
    """Yield rows of actors: the living ones first, then the dead ones, the last ones first."""
    for actor in session.actors():
        if records.ACTOR_STATES[actor.state] != "DEAD":
            yield _actor_row(session, actor, detail=detail)
    for actor in reversed(session.ended_actors()):
        yield _actor_row(session, actor, detail=detail)


def _actor_row(session: Session, actor: Actor, *, detail: bool) -> dict[str, Any]:
    state = records.ACTOR_STATES[actor.state]
    names = _names(session, actor)
    row: dict[str, Any] = {
        "actor_id": names.id,
        "class_name": session.label(actor.label).removesuffix(".__init__"),
        "state": ACTOR_STATES.get(state, state),
        "job_id": job_id(actor.job),
        "name": names.name,
        "node_id": session.node_id(),
        "pid": actor.pid,
        "ray_namespace": names.namespace,
    }
    if detail:
        resources, _, group = session.demand(actor.shape)
        row |= {
            "required_resources": resources,
            "death_cause": _death_cause(session, actor) if state == "DEAD" else None,
            "is_detached": bool(actor.flags & records.DETACHED),
            "placement_group_id": group_id(session, group),
            "num_restarts": actor.restarts,
            "num_restarts_due_to_lineage_reconstruction": 0,
            "num_restarts_due_to_node_preemption": 0,
        }
    return row


def _names(session: Session, actor: Actor) -> ActorNames:
    text = actor.text[: actor.space_size + actor.name_size]
    return ActorNames(
        session.actor_id(actor.place, actor.generation, actor.job),
        text[: actor.space_size].decode("utf-8", "replace"),
        text[actor.space_size :].decode("utf-8", "replace"),
    )


def death_of_actor(session: Session, actor: Actor) -> str:
    """Return why an actor is dead."""
    name = session.label(actor.label)
    cause = actor.cause or Cause.ACTOR_DIED
    names = _names(session, actor)
    return str(exception_of(cause, actor.pid, actor.wait_status, 0, name, None, names))


def _death_cause(session: Session, actor: Actor) -> dict[str, Any]:
    message = death_of_actor(session, actor)
    return {"actor_died_error_context": {"error_message": message, "pid": actor.pid}}
