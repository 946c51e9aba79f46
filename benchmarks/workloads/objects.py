"""Objects: small ones, a dict of many arrays, and lists of references."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from systems.adapter import Adapter
from tasks import FloatArray

from workloads.metric import Metric, Plan, Samples, Workload, expect, repeat, timed

Yield = Iterator[tuple[str, Samples]]
DICT_SIZE = 1000
DICT_ARRAY_SIZE = 125  # float64: 1 KB each
REFERENCES = 10_000


def new_dict() -> dict[str, FloatArray]:
    """1,000 arrays of 125 float64 (1 KB) each."""
    return {f"array-{i}": np.full(DICT_ARRAY_SIZE, float(i)) for i in range(DICT_SIZE)}


def is_same_dict(left: dict[str, FloatArray], right: dict[str, FloatArray]) -> bool:
    """Compare all arrays."""
    return left.keys() == right.keys() and all(
        np.array_equal(left[key], right[key]) for key in left
    )


def integers(system: Adapter, plan: Plan) -> Yield:
    """Put ints one by one, then get them one by one."""
    count = plan.count(500)
    numbers = list(range(10**6, 10**6 + count))
    system.get_each(system.put_each(numbers[:20]))
    puts: Samples = []
    gets: Samples = []
    for _ in range(plan.repeats):
        put_time, handles = timed(lambda: system.put_each(numbers), "us", count)
        get_time, values = timed(partial(system.get_each, handles), "us", count)
        expect(values == numbers, "ints do not come back")
        for handle in handles:
            system.drop(handle)
        puts.append(put_time)
        gets.append(get_time)
    yield "object.put_int", puts
    yield "object.get_int", gets


def dictionary(system: Adapter, plan: Plan) -> Yield:
    """Put and get a dict of 1,000 small arrays."""
    value = new_dict()
    puts: Samples = []
    gets: Samples = []
    for _ in range(plan.repeats + 1):
        put_time, handle = timed(lambda: system.put(value), "ms")
        get_time, loaded = timed(partial(system.get, handle), "ms")
        expect(is_same_dict(value, loaded), "the dict does not come back")
        del loaded
        system.drop(handle)
        puts.append(put_time)
        gets.append(get_time)
    yield "object.put_dict", puts[1:]  # without the first, which warms up
    yield "object.get_dict", gets[1:]


def references(system: Adapter, plan: Plan) -> Yield:
    """Put a list of 10,000 references; have a task receive it."""
    handles = system.put_each(range(REFERENCES))
    puts: Samples = []
    receipts: Samples = []
    for _ in range(plan.repeats):
        put_time, handle = timed(lambda: system.put_handles(handles), "ms")
        receipt_time, count = timed(partial(system.receive_handles, handle), "ms")
        expect(count == REFERENCES, f"{count} references arrived")
        puts.append(put_time)
        receipts.append(receipt_time)
    yield "object.put_refs_10k", puts
    yield "object.receive_refs_10k", receipts


def arguments(system: Adapter, plan: Plan) -> Yield:
    """10,000 references as the arguments of one task."""
    right = sum(range(REFERENCES))
    handles = system.put_each(range(REFERENCES))
    yield (
        "many.arguments_10k",
        repeat(lambda: system.many_arguments(handles), lambda r: r == right, plan.repeats, "s"),
    )


def returns(system: Adapter, plan: Plan) -> Yield:
    """One task with 3,000 results."""
    count = 3000
    right = list(range(count))
    yield (
        "many.returns_3k",
        repeat(lambda: system.many_returns(count), lambda r: r == right, plan.repeats, "s"),
    )


def gets(system: Adapter, plan: Plan) -> Yield:
    """10,000 objects in one get."""
    right = list(range(REFERENCES))
    handles = system.put_each(right)
    yield (
        "many.get_10k",
        repeat(lambda: system.get_all(handles), lambda r: r == right, plan.repeats, "s"),
    )
    for handle in handles:
        system.drop(handle)


WORKLOADS = (
    Workload(
        "integers",
        (
            Metric("object.put_int", "`put` of an int", "us", 4, 1.5),
            Metric("object.get_int", "`get` of an int", "us", 2, 1),
        ),
        integers,
    ),
    Workload(
        "dict",
        (
            Metric("object.put_dict", "`put` of a dict of 1,000 arrays of 1 KB", "ms", 5, 4),
            Metric("object.get_dict", "`get` of it", "ms", 2.3, 1.9),
        ),
        dictionary,
    ),
    Workload(
        "references",
        (
            Metric("object.put_refs_10k", "`put` of a list of 10,000 refs", "ms", 5),
            Metric("object.receive_refs_10k", "a task receives it", "ms", 10),
        ),
        references,
    ),
    Workload(
        "arguments",
        (Metric("many.arguments_10k", "10,000 refs as arguments of one task", "s", 0.3),),
        arguments,
        180,
        is_heavy=True,
    ),
    Workload(
        "returns",
        (Metric("many.returns_3k", "one task with 3,000 returns", "s", 0.3),),
        returns,
        180,
        is_heavy=True,
    ),
    Workload(
        "gets",
        (Metric("many.get_10k", "`get` of 10,000 objects", "s", 0.3),),
        gets,
        180,
        is_heavy=True,
    ),
)
