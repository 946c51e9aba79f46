"""Who keeps which objects: the tables of a session joined.

Nothing is guessed: each holder is an edge that the core keeps for reference counting.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from pyray import _core, settings
from pyray.observability import records
from pyray.observability.observed import own_or_other
from pyray.observability.records import BIRTH_SHIFT, Object, Session, Task, text_of

KINDS = {
    "REFERENCE": "LOCAL_REFERENCE",
    "VIEW": "PINNED_IN_MEMORY",
    "ARGUMENT": "USED_BY_PENDING_TASK",
    "CONTAINED": "CAPTURED_IN_OBJECT",
}
"""Ray's names for holders."""
NO_SITES = "disabled"


@dataclass(slots=True)
class Holder:
    """Why an object is kept.

    Args:
        kind: Ray's name: LOCAL_REFERENCE, PINNED_IN_MEMORY (a view of its bytes is alive),
            USED_BY_PENDING_TASK, CAPTURED_IN_OBJECT, ACTOR_HANDLE.
        pid: The process that has it, 0 for tasks that do not run and for objects.
        by: The task's name, or the id of the object in which it is.
    """

    kind: str
    pid: int = 0
    by: str = ""


@dataclass(slots=True)
class ObjectReport:
    """An object and its holders.

    Args:
        id: In hex.
        size_bytes: Of its value.
        what: "value", "error", "result" that is pending, "code" or "actor handle".
        state: "PENDING", "CREATING", "SEALED" or "FREEING".
        where: "table" (small values), "heap", "disk", or "-" while there are no bytes.
        age_s: Since it was made; of a result, since its task was submitted.
        site: Where it was made, "" if that is not recorded.
        holders: Who keeps it.
    """

    id: str
    size_bytes: int
    what: str
    state: str
    where: str
    age_s: float
    site: str
    holders: list[Holder] = field(default_factory=list)


def object_reports(session: Session) -> list[ObjectReport]:
    """Return all objects with their holders, the largest first."""
    holds = session.holds()
    tasks = session.tasks()
    objects = session.objects()
    roles = {slot.pid: records.SLOT_KINDS[slot.kind] for slot in session.slots()}
    names = {task.id: (text_of(task.name), task.pid) for task in tasks}
    jobs = {(one.place, one.generation): one.job for one in objects}
    holders: dict[tuple[int, int], list[Holder]] = defaultdict(list)
    for hold in holds:
        kind = records.HOLDS[hold.kind]
        holder = Holder(KINDS[kind], hold.pid)
        if kind == "ARGUMENT":
            holder.by, holder.pid = names.get(hold.holder, ("", 0))
        elif kind == "CONTAINED":
            key = hold.holder >> 32, hold.holder & 0xFFFFFFFF
            holder.by = session.object_id(*key, jobs.get(key, 0))
        else:
            holder.by = roles.get(hold.pid, "").lower()
        holders[hold.place, hold.generation].append(holder)
    _add_tasks(holders, tasks)
    now = _core.monotonic_ns() >> BIRTH_SHIFT
    found = [
        _report(session, one, holders.get((one.place, one.generation), []), now) for one in objects
    ]
    return sorted(found, key=lambda report: -report.size_bytes)


def _add_tasks(holders: dict[tuple[int, int], list[Holder]], tasks: list[Task]) -> None:
    """Tasks hold their packed arguments and their code by fields, not by edges."""
    for task in tasks:
        for key in (
            (task.arguments, task.arguments_generation),
            (task.function, task.function_generation),
        ):
            if key[0]:
                holder = Holder("USED_BY_PENDING_TASK", task.pid, text_of(task.name))
                holders[key].append(holder)


def _report(session: Session, one: Object, holders: list[Holder], now: int) -> ObjectReport:
    what = "value"
    if one.flags & records.HANDLE:
        what = "actor handle"
        for holder in holders:
            holder.kind = "ACTOR_HANDLE" if holder.kind == "LOCAL_REFERENCE" else holder.kind
    elif one.flags & records.CODE:
        what = "code"
    elif one.flags & records.ERROR:
        what = "error"
    residence = records.RESIDENCES[one.residence]
    where = "disk" if residence in {"SPILLED", "RESTORING"} else "heap" if one.in_heap else "table"
    state = records.OBJECT_STATES[one.state]
    if state in {"PENDING", "CREATING"}:
        where, what = "-" if state == "PENDING" else where, "result"
    age_s = max(0, (now - one.born) & 0xFFFFFFFF) * (1 << BIRTH_SHIFT) / 1e9
    return ObjectReport(
        session.object_id(one.place, one.generation, one.job),
        one.size_bytes,
        what,
        state,
        where,
        age_s,
        session.label(one.site) if one.site else "",
        holders,
    )


UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
GROUPS = ("NODE_ADDRESS", "STACK_TRACE", "PID")
SORTS = ("OBJECT_SIZE", "PID", "REFERENCE_TYPE", "AGE")


@dataclass(slots=True)
class MemoryOptions:
    """How a report is laid out.

    Args:
        group_by: One of `GROUPS`; STACK_TRACE: by where objects were made.
        sort_by: One of `SORTS`.
        units: One of `UNITS`.
        num_entries: So many objects of each group; None: all.
        stats_only: Only the totals.
    """

    group_by: str = "NODE_ADDRESS"
    sort_by: str = "OBJECT_SIZE"
    units: str = "B"
    num_entries: int | None = None
    stats_only: bool = False


def memory_summary(
    address: str | None = None,
    group_by: str = "NODE_ADDRESS",
    sort_by: str = "OBJECT_SIZE",
    units: str = "B",
    stats_only: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    num_entries: int | None = None,
) -> str:
    """Return what `pyray memory` prints; the arguments are its options."""
    for name, value, known in (
        ("group_by", group_by, GROUPS),
        ("sort_by", sort_by, SORTS),
        ("units", units, UNITS),
    ):
        if value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    options = MemoryOptions(group_by, sort_by, units, num_entries, stats_only)
    return memory_text(own_or_other(address), options)


def memory_text(session: Session, options: MemoryOptions) -> str:
    """Return the report as text of at most 80 columns."""
    reports = object_reports(session)
    shown = [one for one in reports if one.what != "code" and one.holders]
    lines = _totals(session, reports, options.units)
    if not options.stats_only:
        groups: dict[str, list[ObjectReport]] = defaultdict(list)
        for one in shown:
            groups[_group(one, options.group_by)].append(one)
        for name in sorted(groups, key=lambda key: -sum(one.size_bytes for one in groups[key])):
            lines += ["", *_group_lines(name, groups[name], options)]
    return "\n".join(lines)


def _size(size_bytes: float, units: str) -> str:
    if units == "B":
        return f"{int(size_bytes):,} B"
    return f"{size_bytes / UNITS[units]:,.2f} {units}"


def _totals(session: Session, reports: list[ObjectReport], units: str) -> list[str]:
    stats = session.reader.store_stats()
    sizes: dict[str, list[int]] = defaultdict(list)
    for one in reports:
        for kind in {holder.kind for holder in one.holders}:
            sizes[kind].append(one.size_bytes)
    unheld = [one.size_bytes for one in reports if not one.holders]
    used = ", ".join(
        f"{_size(stats[name], units)} {what}"
        for name, what in (
            ("used_bytes", f"used of {_size(stats['capacity_bytes'], units)}"),
            ("pinned_bytes", "viewed"),
            ("spilled_bytes", "on disk"),
        )
    )
    total = _size(sum(one.size_bytes for one in reports), units)
    lines = [
        "Object store:",
        f"  {used}",
        f"{len(reports)} objects, {total}; by holder (one object may have several):",
    ]
    lines += [
        f"  {kind:<22} {len(found):>8}  {_size(sum(found), units):>20}"
        for kind, found in sorted(sizes.items())
    ]
    if unheld:
        size = _size(sum(unheld), units)
        lines.append(f"  {'(the session itself)':<22} {len(unheld):>8}  {size:>20}")
    return lines


def _end_of(site: str, length: int) -> str:
    """Return the end of a text that is too long: line and function are there."""
    return site if len(site) <= length else f"...{site[3 - length :]}"


def _group(one: ObjectReport, group_by: str) -> str:
    if group_by == "STACK_TRACE":
        return (
            _end_of(one.site, 50)
            or f"(not recorded: set {settings.RECORD_CREATION_SITES.variable}=1)"
        )
    if group_by == "PID":
        pids = sorted({holder.pid for holder in one.holders if holder.pid})
        return "process " + ", ".join(map(str, pids)) if pids else "tasks and objects"
    return "127.0.0.1"


def _key(one: ObjectReport, sort_by: str) -> tuple[object, ...]:
    if sort_by == "PID":
        return (min((holder.pid for holder in one.holders), default=0), -one.size_bytes)
    if sort_by == "REFERENCE_TYPE":
        return (min(holder.kind for holder in one.holders), -one.size_bytes)
    if sort_by == "AGE":
        return (-one.age_s,)
    return (-one.size_bytes,)


def _group_lines(name: str, found: list[ObjectReport], options: MemoryOptions) -> list[str]:
    total = _size(sum(one.size_bytes for one in found), options.units)
    lines = [f"{name}: {len(found)} objects, {total}"]
    chosen = sorted(found, key=lambda one: _key(one, options.sort_by))[: options.num_entries]
    for one in chosen:
        where = one.where if one.state == "SEALED" else one.state.lower()
        lines.append(
            f"  {one.id[:16]}  {_size(one.size_bytes, options.units):>18}  {one.what:<8} "
            f"{where:<9} {one.age_s:>8.0f} s old"
        )
        if one.site and options.group_by != "STACK_TRACE":
            lines.append(f"      made at {_end_of(one.site, 65)}")
        lines += [f"      {_described(holder)}" for holder in one.holders]
    if len(chosen) < len(found):
        lines.append(f"  ... and {len(found) - len(chosen)} others")
    return lines


def _described(holder: Holder) -> str:
    at = f"pid {holder.pid}" if holder.pid else ""
    if holder.kind == "USED_BY_PENDING_TASK":
        return f"{holder.kind}: {holder.by} ({at or 'waits'})"
    if holder.kind == "CAPTURED_IN_OBJECT":
        return f"{holder.kind}: {holder.by[:16]}"
    return f"{holder.kind}: {at} {holder.by}".rstrip()
