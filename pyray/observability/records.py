"""The tables of a session as the compiled core copies them out, taken apart.

Each tuple below mirrors a structure of csrc/engine/views.h, events.h or labels.h.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pyray import _core, obituaries

if TYPE_CHECKING:
    from pyray.obituaries import Obituary

TASK_STATES = ("FREE", "SUBMITTING", "WAITING", "READY", "RUNNING", "FAILED", "DONE", "KEPT")
OBJECT_STATES = ("FREE", "PENDING", "CREATING", "SEALED", "FREEING")
ACTOR_STATES = ("FREE", "PENDING", "ALIVE", "ENDING", "DEAD", "RESTARTING")
SLOT_STATES = ("EMPTY", "STARTING", "BUSY", "IDLE", "WAKING", "DEAD")
SLOT_KINDS = ("", "DRIVER", "SUPERVISOR", "WORKER")
RESIDENCES = ("IN_PLACE", "SPILLING", "SPILLED", "RESTORING")
HOLDS = ("", "REFERENCE", "VIEW", "CONTAINED", "ARGUMENT")
LABEL_KINDS = ("", "TASK", "CREATION", "CALL", "SITE")
CREATES_ACTOR, OF_ACTOR, LENT = 1, 2, 4
ERROR, HANDLE, RESULT, CODE = 1, 4, 8, 16
FAILED, RETRIED = 1, 2
DETACHED = 1
BIRTH_SHIFT = 26
ROUND_NS = 10_000_000


class Task(NamedTuple):
    """`struct pr_task_view`."""

    id: int
    serial: int
    parent: int
    submitted_ns: int
    started_ns: int
    function: int
    function_generation: int
    arguments: int
    arguments_generation: int
    actor: int
    actor_generation: int
    state: int
    flags: int
    attempt: int
    retries_left: int
    label: int
    shape: int
    pid: int
    job: int
    awaited: int
    name: bytes


class Object(NamedTuple):
    """`struct pr_object_view`."""

    place: int
    generation: int
    size_bytes: int
    producer: int
    state: int
    flags: int
    refs: int
    pins: int
    residence: int
    in_heap: int
    pid: int
    born: int
    site: int
    job: int


class Hold(NamedTuple):
    """`struct pr_hold_view`."""

    place: int
    generation: int
    kind: int
    pid: int
    holder: int


class Actor(NamedTuple):
    """`struct pr_actor_view`."""

    place: int
    generation: int
    created_ns: int
    ended_ns: int
    state: int
    cause: int
    pid: int
    wait_status: int
    restarts: int
    restarts_left: int
    pending: int
    flags: int
    label: int
    shape: int
    job: int
    space_size: int
    name_size: int
    text: bytes


class Slot(NamedTuple):
    """`struct pr_slot_view`."""

    slot: int
    kind: int
    state: int
    pid: int
    environment: int
    job: int
    actor: int
    actor_generation: int
    running: int
    tasks_finished: int
    name: bytes


class Label(NamedTuple):
    """`struct pr_label`."""

    kind: int
    finished: int
    failed: int
    text: bytes


class Event(NamedTuple):
    """`struct pr_event`."""

    number: int
    id: int
    serial: int
    parent: int
    submitted_ns: int
    started_ns: int
    ended_ns: int
    text: int
    actor: int
    actor_generation: int
    label: int
    shape: int
    pid: int
    job: int
    attempt: int
    flags: int
    task_flags: int
    cause: int
    wait_status: int
    dependency_count: int
    name: bytes
    dependency_0: int
    dependency_1: int
    dependency_2: int
    dependency_3: int

    @property
    def dependencies(self) -> tuple[int, ...]:
        """Objects among its arguments: index and generation in one number."""
        four = self.dependency_0, self.dependency_1, self.dependency_2, self.dependency_3
        return four[: self.dependency_count]


class Span(NamedTuple):
    """`struct pr_span`."""

    number: int
    begun_ns: int
    ended_ns: int
    serial: int
    pid: int
    thread: int
    job: int
    text: int
    name: bytes


class Placement(NamedTuple):
    """A placement group."""

    place: int
    generation: int
    state: int
    strategy: int
    job: int
    is_detached: bool
    name: str
    demands: list[dict[str, int]]


FORMATS = {
    "tasks": (Task, struct.Struct("<5Q 6I 3I i 5I 4x 32s")),
    "objects": (Object, struct.Struct("<2I 2Q 10I")),
    "holds": (Hold, struct.Struct("<4I Q")),
    "actors": (Actor, struct.Struct("<2I 2Q 5I i 7I 4x 232s")),
    "slots": (Slot, struct.Struct("<8I 2Q 32s")),
    "labels": (Label, struct.Struct("<4x I 2Q 104s")),
    "events": (Event, struct.Struct("<8Q 12I 32s 4Q")),
    "ended": (Actor, struct.Struct("<8x 2I 2Q 5I i 7I 4x 232s")),
    "spans": (Span, struct.Struct("<4Q 3I 4x Q 64s")),
}


EVENT_NAMES = struct.Struct("<8x 2Q 60x I 88x")
"""Of an event: id, serial and job."""
EVENT_RING_ROOM = (128 << 10) - 1
"""How many attempts the ring of `csrc/engine/session.c` holds."""


@dataclass(slots=True)
class EventPage:
    """Attempts of tasks, unpacked as they are looked at.

    Args:
        data: The structures, the oldest first.
        total: How many the session knows.
    """

    data: bytes
    total: int

    def last_first(self) -> Iterator[Event]:
        """Yield the attempts, the one that ended last first."""
        _, form = FORMATS["events"]
        for at in range(len(self.data) - form.size, -1, -form.size):
            yield Event._make(form.unpack_from(self.data, at))


def text_of(padded: bytes) -> str:
    """Return the text in front of the zeros of a field."""
    return padded.partition(b"\0")[0].decode("utf-8", "replace")


def job_id(number: int) -> str:
    """Return the id of a job in hex."""
    return number.to_bytes(4, "little").hex()


class Session:
    """What can be read of one session; see `_core.Reader`.

    Args:
        reader: Where it is read from; None: the session of this process.
    """

    def __init__(self, reader: _core.Reader | None = None) -> None:
        self.reader = reader or _core.Reader()
        self.nonce = self.reader.nonce
        # Rounded, so that two looks at a task agree on when it was.
        offset_ns = time.time_ns() - _core.monotonic_ns()
        self.clock_offset_ns = round(offset_ns / ROUND_NS) * ROUND_NS
        self._labels: list[Label] = []
        self._demands: dict[int, tuple[dict[str, float], int, int]] = {}

    def _unpacked(self, name: str, data: bytes) -> Iterator[tuple[Any, ...]]:
        """Yield the fields of the structures in `data`."""
        return FORMATS[name][1].iter_unpack(data)

    def tasks(self) -> list[Task]:
        """Return the tasks that have not finished."""
        return [Task._make(one) for one in self._unpacked("tasks", self.reader.table("tasks"))]

    def objects(self) -> list[Object]:
        """Return all objects."""
        return [
            Object._make(one) for one in self._unpacked("objects", self.reader.table("objects"))
        ]

    def holds(self) -> list[Hold]:
        """Return who holds which objects."""
        return [Hold._make(one) for one in self._unpacked("holds", self.reader.table("holds"))]

    def actors(self) -> list[Actor]:
        """Return the actors that somebody has a handle of."""
        return [Actor._make(one) for one in self._unpacked("actors", self.reader.table("actors"))]

    def ended_actors(self) -> list[Actor]:
        """Return the last actors that died, the oldest first."""
        data, _ = self.reader.ring("ended")
        return [Actor._make(one) for one in self._unpacked("ended", data)]

    def slots(self) -> list[Slot]:
        """Return the processes."""
        return [Slot._make(one) for one in self._unpacked("slots", self.reader.table("slots"))]

    def obituaries(self) -> list[Obituary]:
        """Return the workers that have died, the last one first."""
        for slot in self.slots():
            if SLOT_KINDS[slot.kind] == "SUPERVISOR":
                return obituaries.of_supervisor(slot.pid)
        return []

    def events(self) -> list[Event]:
        """Return the last attempts of tasks that ended, the oldest first."""
        data, _ = self.reader.ring("events")
        return [Event._make(one) for one in self._unpacked("events", data)]

    def event_page(self, most: int | None = None) -> EventPage:
        """Return attempts of tasks that ended, packed.

        Args:
            most: No more than the last so many; None: all that are known.
        """
        after = self.reader.counts()["events"] + 1
        data, after = self.reader.ring("events", max(0, after - most) if most is not None else 0)
        size = FORMATS["events"][1].size
        total = len(data) // size if most is None else min(after - 1, EVENT_RING_ROOM)
        return EventPage(data, max(total, len(data) // size))

    def event_names(self) -> Iterator[tuple[Any, ...]]:
        """Yield (id, serial, job) of the attempts that are known, the last ones first."""
        data, _ = self.reader.ring("events")
        for at in range(len(data) - EVENT_NAMES.size, -1, -EVENT_NAMES.size):
            yield EVENT_NAMES.unpack_from(data, at)

    def spans(self) -> list[Span]:
        """Return the last spans, the oldest first."""
        data, _ = self.reader.ring("spans")
        return [Span._make(one) for one in self._unpacked("spans", data)]

    def placements(self) -> list[Placement]:
        """Return the placement groups."""
        return [Placement(*one) for one in self.reader.placements()]

    def labels(self) -> list[Label]:
        """Return the labels by number; the first one stands for none."""
        none = Label(0, 0, 0, b"")
        data = self.reader.table("labels")
        self._labels = [none, *(Label._make(one) for one in self._unpacked("labels", data))]
        return self._labels

    def label(self, number: int) -> str:
        """Return the text of a label, "" if there is none."""
        if number >= len(self._labels):
            self.labels()
        return text_of(self._labels[number].text) if number < len(self._labels) else ""

    def demand(self, shape: int) -> tuple[dict[str, float], int, int]:
        """Return (amounts by resource, environment, placement group) of a class of tasks."""
        found = self._demands.get(shape)
        if found is None:
            units, environment, group = self.reader.demand(shape)
            amounts = {name: amount / 10_000 for name, amount in units.items()}
            found = self._demands[shape] = amounts, environment, group
        return found

    def wall_ms(self, monotonic_ns: int) -> int | None:
        """Return a time of the records in milliseconds since 1970; None for 0."""
        return (monotonic_ns + self.clock_offset_ns) // 1_000_000 if monotonic_ns else None

    # ---- ids, in hex

    def task_tail(self, job: int) -> str:
        """Return what the ids of all tasks of a job end with."""
        return f"{self.nonce:016x}ffffffff{job_id(job)}"

    def task_id(self, own: int, job: int) -> str:
        """Return the id of a task."""
        return f"{own:016x}{self.task_tail(job)}"

    def object_id(self, index: int, generation: int, job: int) -> str:
        """Return the id of an object."""
        return f"{index:08x}{generation:08x}{self.task_tail(job)}01000000"

    def actor_id(self, index: int, generation: int, job: int) -> str:
        """Return the id of an actor."""
        return f"{index:08x}{generation:08x}{self.nonce >> 32:08x}{job_id(job)}"

    def placement_id(self, group: Placement) -> str:
        """Return the id of a placement group."""
        nonce = f"{self.nonce:016x}"[:12]
        return f"{group.place:08x}{group.generation:08x}{nonce}{job_id(group.job)}"

    def worker_id(self, pid: int) -> str:
        """Return the id of a process."""
        return f"{pid:016x}{self.nonce:040x}"

    def node_id(self) -> str:
        """Return the id of this machine."""
        return f"{self.nonce:056x}"
