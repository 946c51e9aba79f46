"""What a session did, as a trace that Perfetto (ui.perfetto.dev) and chrome://tracing show.

Rows are processes. Slices are attempts of tasks, and spans that programs noted. Arrows lead from
where a task was submitted, and from the tasks that made its arguments, to where it began.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyray.observability import records
from pyray.observability.observed import own_or_other
from pyray.observability.records import Event, Session, Span, text_of

PROCESS = 1
"""All rows are threads of this process, as viewers see them."""
LANE = 10_000_000
"""Tasks that overlap in a process get further rows; their numbers are so far apart."""
COLOURS = {"FINISHED": "good", "FAILED": "terrible"}


def timeline(filename: str | None = None) -> list[dict[str, Any]] | None:
    """Return what the tasks of the session did, as events of a Chrome trace.

    Args:
        filename: Write them there, as JSON, instead of returning them.

    Example:
        >>> import pyray as ray
        >>> @ray.remote
        ... def f():
        ...     return 1
        >>> ray.get(f.remote())
        1
        >>> "f" in [event["name"] for event in ray.timeline()]
        True
    """
    trace = trace_of(own_or_other())
    if filename is None:
        return trace
    Path(filename).write_text(json.dumps(trace), "utf-8")
    return None


class Rows:
    """Finds a row for each slice: the process's own, or a further one when slices overlap."""

    def __init__(self) -> None:
        self._open: dict[int, list[list[int]]] = defaultdict(list)  # pid -> lanes -> open ends

    def row_of(self, pid: int, begun_ns: int, ended_ns: int) -> int:
        """Return the row of a slice; slices come in the order of their beginnings."""
        lanes = self._open[pid]
        for number, ends in enumerate(lanes):
            while ends and ends[-1] <= begun_ns:
                ends.pop()
            if not ends or ended_ns <= ends[-1]:
                ends.append(ended_ns)
                return pid + number * LANE
        lanes.append([ended_ns])
        return pid + (len(lanes) - 1) * LANE

    def names(self, kinds: dict[int, str]) -> Iterator[dict[str, Any]]:
        """Yield what viewers need to name the rows."""
        for pid, lanes in self._open.items():
            for number in range(len(lanes)):
                name = f"{kinds.get(pid, 'worker')} {pid}" + (f" ({number + 1})" if number else "")
                yield _event("M", "thread_name", 0, pid + number * LANE, args={"name": name})


def trace_of(session: Session) -> list[dict[str, Any]]:
    """Return the events of a session's trace."""
    slots = session.slots()
    kinds = {slot.pid: records.SLOT_KINDS[slot.kind].lower() for slot in slots}
    drivers = [slot.pid for slot in slots if records.SLOT_KINDS[slot.kind] == "DRIVER"]
    ran = [event for event in session.events() if event.started_ns]
    slices: list[Event | Span] = [*ran, *session.spans()]
    slices.sort(key=lambda one: (_begun_ns(one), -one.ended_ns))
    rows = Rows()
    trace: list[dict[str, Any]] = []
    places: dict[int, tuple[int, Event]] = {}
    for one in slices:
        row = rows.row_of(one.pid, _begun_ns(one), one.ended_ns)
        if isinstance(one, Event):
            places[one.serial] = row, one
            trace.append(_task_slice(session, one, row))
        else:
            trace.append(_span_slice(session, one, row))
    makers = {event.id: event.serial for event in ran}
    driver = drivers[0] if drivers else 0
    for event in ran:
        trace += _arrows(event, places, makers, driver)
    name = {"name": f"session {session.nonce:016x}"}
    head = [_event("M", "process_name", 0, 0, args=name), *rows.names(kinds)]
    if driver:
        head.append(_event("M", "thread_name", 0, driver, args={"name": f"driver {driver}"}))
    return [*head, *trace]


def _begun_ns(one: Event | Span) -> int:
    return one.started_ns if isinstance(one, Event) else one.begun_ns


def _event(phase: str, name: str, at_ns: int, row: int, **more: Any) -> dict[str, Any]:
    return {"ph": phase, "name": name, "ts": at_ns / 1000, "pid": PROCESS, "tid": row, **more}


def _task_slice(session: Session, event: Event, row: int) -> dict[str, Any]:
    name = session.label(event.label) if event.label > 1 else text_of(event.name)
    state = "FAILED" if event.flags & records.FAILED else "FINISHED"
    arguments: dict[str, Any] = {
        "task_id": session.task_id(event.id, event.job),
        "attempt": event.attempt,
        "state": state,
        "waited_us": (event.started_ns - event.submitted_ns) / 1000,
    }
    if text := session.reader.text(event.text):
        arguments["error"] = text
    return _event(
        "X",
        name,
        event.started_ns,
        row,
        cat="task",
        dur=(event.ended_ns - event.started_ns) / 1000,
        cname=COLOURS[state],
        args=arguments,
    )


def _span_slice(session: Session, span: Span, row: int) -> dict[str, Any]:
    text = session.reader.text(span.text)
    return _event(
        "X",
        text_of(span.name),
        span.begun_ns,
        row,
        cat="span",
        dur=(span.ended_ns - span.begun_ns) / 1000,
        args=json.loads(text) if text.startswith("{") and text.endswith("}") else {},
    )


def _arrows(
    event: Event, places: dict[int, tuple[int, Event]], makers: dict[int, int], driver: int
) -> Iterator[dict[str, Any]]:
    """Yield the flow events that end where a task begins."""
    row, last = places[event.serial]
    if last is not event:  # an earlier attempt
        return
    source = places[event.parent][0] if event.parent in places else driver
    if source:
        yield from _arrow(
            "submit", f"s{event.serial}", (event.submitted_ns, source), (event.started_ns, row)
        )
    for number, dependency in enumerate(event.dependencies):
        serial = makers.get(dependency)
        if serial is not None:
            maker_row, maker = places[serial]
            yield from _arrow(
                "argument",
                f"d{event.serial}.{number}",
                (maker.ended_ns - 1, maker_row),
                (event.started_ns, row),
            )


def _arrow(
    name: str, id_: str, begin: tuple[int, int], end: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    yield _event("s", name, *begin, cat="flow", id=id_)
    yield _event("f", name, *end, cat="flow", id=id_, bp="e")
