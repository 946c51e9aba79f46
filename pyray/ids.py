"""Ids of jobs, tasks, actors, nodes, workers and placement groups, with Ray's sizes and texts.

An id is a fixed number of bytes. Some hold others at their end: a task's id ends with its actor's
(24 = 8 + 16 bytes), an actor's with its job's (16 = 12 + 4), a placement group's with its job's
(18 = 14 + 4). All bits set is "nil": no such thing.
"""

import os
from typing import Any, ClassVar, Self

__all__ = [
    "ActorClassID",
    "ActorID",
    "BaseID",
    "ClusterID",
    "FunctionID",
    "JobID",
    "NodeID",
    "PlacementGroupID",
    "TaskID",
    "UniqueID",
    "WorkerID",
]


class BaseID:
    """An immutable id of a fixed number of bytes, comparable and hashable.

    Args:
        id: The bytes of the id.

    Raises:
        TypeError: When it is not bytes.
        ValueError: When it has the wrong length.

    Example:
        >>> JobID.from_hex("05000000")
        JobID(05000000)
    """

    __slots__ = ("_id",)
    _SIZE: ClassVar[int] = 0
    _id: bytes

    def __init__(self, id: bytes) -> None:  # noqa: A002  (Ray's name)
        if not isinstance(id, bytes):
            raise TypeError(f"Unsupported type: {type(id)}, expected bytes")
        if len(id) != self._SIZE:
            raise ValueError(f"ID string needs to have length {self._SIZE}, got {len(id)}")
        object.__setattr__(self, "_id", id)

    @classmethod
    def from_binary(cls, id_bytes: bytes) -> Self:
        """Return the id with these bytes."""
        return cls(id_bytes)

    @classmethod
    def from_hex(cls, hex_id: str | bytes) -> Self:
        """Return the id with this text.

        Raises:
            ValueError: When the text is not hexadecimal or has the wrong length.
        """
        text = hex_id.decode("ascii") if isinstance(hex_id, bytes) else hex_id
        if len(text) != 2 * cls._SIZE:
            raise ValueError(
                f"The hex text of {cls.__name__} has {2 * cls._SIZE} characters, got {len(text)}"
            )
        return cls(bytes.fromhex(text))

    @classmethod
    def nil(cls) -> Self:
        """Return the id that stands for none."""
        return cls(b"\xff" * cls._SIZE)

    @classmethod
    def size(cls) -> int:
        """Return how many bytes such an id has."""
        return cls._SIZE

    def binary(self) -> bytes:
        """Return the bytes of the id."""
        return self._id

    def hex(self) -> str:
        """Return the text of the id, two hexadecimal digits for each byte."""
        return self._id.hex()

    def is_nil(self) -> bool:
        """Return whether this id stands for none."""
        return self._id == b"\xff" * self._SIZE

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed (attribute {name!r})")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseID) or type(self) is not type(other):
            return NotImplemented
        return self._id == other._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hex()})"

    def __reduce__(self) -> tuple[type[Self], tuple[bytes]]:
        return type(self), (self._id,)


class UniqueID(BaseID):
    """A random id of 28 bytes."""

    __slots__ = ()
    _SIZE = 28

    @classmethod
    def from_random(cls) -> Self:
        """Return a new random id."""
        return cls(os.urandom(cls._SIZE))


class NodeID(UniqueID):
    """The id of a machine."""

    __slots__ = ()


class WorkerID(UniqueID):
    """The id of a worker process."""

    __slots__ = ()


class FunctionID(UniqueID):
    """The id of a remote function."""

    __slots__ = ()


class ActorClassID(UniqueID):
    """The id of an actor class."""

    __slots__ = ()


class ClusterID(UniqueID):
    """The id of a session."""

    __slots__ = ()


class JobID(BaseID):
    """The id of a driver's run: a number of 32 bits, least significant byte first."""

    __slots__ = ()
    _SIZE = 4

    @classmethod
    def from_int(cls, value: int) -> Self:
        """Return the id of the job with this number.

        Raises:
            ValueError: When the number is negative or above 2**32 - 1.

        Example:
            >>> JobID.from_int(1).hex()
            '01000000'
        """
        if not 0 <= value < 2**32:
            raise ValueError(f"A job's number is between 0 and 2**32 - 1, got {value}")
        return cls(value.to_bytes(cls._SIZE, "little"))

    def int(self) -> int:
        """Return the job's number."""
        return int.from_bytes(self._id, "little")


class ActorID(BaseID):
    """The id of an actor: 12 bytes of its own, then its job's id."""

    __slots__ = ()
    _SIZE = 16

    @classmethod
    def of(cls, job_id: JobID) -> Self:
        """Return a new random id of an actor in a job."""
        return cls(os.urandom(cls._SIZE - JobID.size()) + job_id.binary())

    @classmethod
    def from_random(cls) -> Self:
        """Return a new random id, of no particular job."""
        return cls(os.urandom(cls._SIZE))

    @property
    def job_id(self) -> JobID:
        """The job that the actor belongs to."""
        return JobID(self._id[-JobID.size() :])


class TaskID(BaseID):
    """The id of a task: 8 bytes of its own, then an actor's id, nil but for the job if none."""

    __slots__ = ()
    _SIZE = 24

    @classmethod
    def for_driver_task(cls, job_id: JobID) -> Self:
        """Return the id that stands for the driver itself."""
        return cls(b"\xff" * (cls._SIZE - JobID.size()) + job_id.binary())

    @classmethod
    def for_normal_task(cls, job_id: JobID) -> Self:
        """Return a new random id of a task that is no actor's."""
        own_size = cls._SIZE - ActorID.size()
        return cls(os.urandom(own_size) + cls.for_driver_task(job_id).binary()[own_size:])

    @classmethod
    def for_actor_task(cls, actor_id: ActorID) -> Self:
        """Return a new random id of a call of an actor's method."""
        return cls(os.urandom(cls._SIZE - ActorID.size()) + actor_id.binary())

    @classmethod
    def for_actor_creation_task(cls, actor_id: ActorID) -> Self:
        """Return the id of the task that makes an actor."""
        return cls(b"\xff" * (cls._SIZE - ActorID.size()) + actor_id.binary())

    def actor_id(self) -> ActorID:
        """Return the actor that runs the task; all bits but the job's set if none does."""
        return ActorID(self._id[-ActorID.size() :])

    def job_id(self) -> JobID:
        """Return the job that the task belongs to.

        Raises:
            ValueError: When the id is nil.
        """
        if self.is_nil():
            raise ValueError("TaskID is nil")
        return self.actor_id().job_id


class PlacementGroupID(BaseID):
    """The id of a placement group: 14 bytes of its own, then its job's id."""

    __slots__ = ()
    _SIZE = 18

    @classmethod
    def of(cls, job_id: JobID) -> Self:
        """Return a new random id of a placement group in a job."""
        return cls(os.urandom(cls._SIZE - JobID.size()) + job_id.binary())

    @classmethod
    def from_random(cls) -> Self:
        """Return a new random id, of no particular job."""
        return cls(os.urandom(cls._SIZE))
