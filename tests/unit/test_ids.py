"""The id classes: sizes, texts, equality, and the ids inside ids."""

import copy
import pickle
from typing import Any

import pytest

from pyray.ids import (
    ActorClassID,
    ActorID,
    BaseID,
    ClusterID,
    FunctionID,
    JobID,
    NodeID,
    PlacementGroupID,
    TaskID,
    UniqueID,
    WorkerID,
)

SIZES = {
    UniqueID: 28,
    NodeID: 28,
    WorkerID: 28,
    FunctionID: 28,
    ActorClassID: 28,
    ClusterID: 28,
    JobID: 4,
    ActorID: 16,
    TaskID: 24,
    PlacementGroupID: 18,
}
EACH = pytest.mark.parametrize(
    ("cls", "size"), SIZES.items(), ids=lambda v: getattr(v, "__name__", v)
)


@EACH
def test_id_when_made_of_bytes_has_rays_size_and_text(cls: Any, size: Any) -> None:
    one = cls(b"\xa5" * size)
    assert cls.size() == size
    assert one.binary() == b"\xa5" * size
    assert one.hex() == "a5" * size
    assert repr(one) == str(one) == f"{cls.__name__}({'a5' * size})"
    assert not one.is_nil()
    assert isinstance(one, BaseID)


@EACH
def test_id_when_read_back_is_equal(cls: Any, size: Any) -> None:
    one = cls(bytes(range(size)))
    ways = [
        cls.from_hex(one.hex()),
        cls.from_hex(one.hex().encode()),
        cls.from_binary(one.binary()),
        pickle.loads(pickle.dumps(one)),
        copy.copy(one),
        copy.deepcopy(one),
    ]
    for other in ways:
        assert type(other) is cls
        assert other == one
        assert hash(other) == hash(one)


@EACH
def test_nil_when_made_has_all_bits_set(cls: Any, size: Any) -> None:
    assert cls.nil().binary() == b"\xff" * size
    assert cls.nil().is_nil()
    assert cls.nil() == cls.nil()


@EACH
def test_id_when_wrong_bytes_is_refused(cls: Any, size: Any) -> None:
    with pytest.raises(ValueError, match=f"ID string needs to have length {size}, got 1"):
        cls(b"a")
    with pytest.raises(TypeError, match="Unsupported type: <class 'str'>, expected bytes"):
        cls("a" * size)
    with pytest.raises(ValueError, match=f"{2 * size} characters, got 2"):
        cls.from_hex("aa")
    with pytest.raises(ValueError, match="hexadecimal"):
        cls.from_hex("zz" * size)


@EACH
def test_id_when_assigned_to_cannot_change(cls: Any, size: Any) -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        cls.nil()._id = b""


def test_ids_when_of_other_classes_differ() -> None:
    assert UniqueID.nil() != NodeID.nil()
    assert {UniqueID.nil(), NodeID.nil(), UniqueID.nil()} == {UniqueID.nil(), NodeID.nil()}
    with pytest.raises(TypeError):
        _ = JobID.nil() < JobID.nil()


@pytest.mark.parametrize(
    "cls",
    [UniqueID, NodeID, WorkerID, FunctionID, ActorClassID, ClusterID, ActorID, PlacementGroupID],
)
def test_from_random_when_called_twice_differs(cls: Any) -> None:
    assert type(cls.from_random()) is cls
    assert cls.from_random() != cls.from_random()


@pytest.mark.parametrize("cls", [JobID, TaskID])
def test_from_random_when_ray_has_none_is_absent(cls: Any) -> None:
    assert not hasattr(cls, "from_random")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "00000000"), (5, "05000000"), (2**32 - 1, "ffffffff")]
)
def test_job_when_made_of_int_gives_it_back(value: Any, text: Any) -> None:
    assert JobID.from_int(value).hex() == text
    assert JobID.from_int(value).int() == value


@pytest.mark.parametrize("value", [-1, 2**32])
def test_job_when_int_out_of_range_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="between 0 and"):
        JobID.from_int(value)


def test_ids_when_nested_hold_actor_and_job() -> None:
    job = JobID.from_int(1)
    actor = ActorID.of(job)
    assert actor.job_id == job
    assert PlacementGroupID.of(job).hex().endswith("01000000")
    call = TaskID.for_actor_task(actor)
    assert (call.actor_id(), call.job_id()) == (actor, job)
    assert TaskID.for_actor_creation_task(actor).hex() == "ff" * 8 + actor.hex()
    assert TaskID.for_driver_task(job).hex() == "ff" * 20 + "01000000"
    task = TaskID.for_normal_task(job)
    assert task.hex()[16:] == "ff" * 12 + "01000000"
    assert task.job_id() == job
    assert task != TaskID.for_normal_task(job)


def test_task_when_nil_has_no_job() -> None:
    with pytest.raises(ValueError, match="TaskID is nil"):
        TaskID.nil().job_id()
