"""Every exception that pyray raises: Ray's names and hierarchy, and three of our own.

All derive from `RayError`, and all pickle with their attributes. Names that only mean something on
a cluster (`NodeDiedError`, `RpcError` ...) exist so that programs which catch them keep working;
pyray never raises them. `RayError` and the error of a task,
`RayTaskError`, are written in `pyray.errors.task_error`.

Each class has a text of its own for the case that it is raised without a message.
"""

# ruff: noqa: N818  (the names are Ray's)

from typing import ClassVar

from pyray.errors.cluster_errors import (
    AuthenticationError,
    CrossLanguageError,
    LocalRayletDiedError,
    NodeDiedError,
    RpcError,
)
from pyray.errors.object_errors import (
    ObjectFetchTimedOutError,
    ObjectFreedError,
    ObjectLostError,
    ObjectReconstructionFailedError,
    OwnerDiedError,
    ReferenceCountingAssertionError,
)
from pyray.errors.task_error import RayError, RayTaskError, text_given

__all__ = [
    "ActorAlreadyExistsError",
    "ActorDiedError",
    "ActorHandleNotFoundError",
    "ActorPlacementGroupRemoved",
    "ActorUnavailableError",
    "ActorUnschedulableError",
    "AsyncioActorExit",
    "AuthenticationError",
    "CrossLanguageError",
    "ForkedProcessError",
    "GetTimeoutError",
    "LocalRayletDiedError",
    "NodeDiedError",
    "ObjectFetchTimedOutError",
    "ObjectFreedError",
    "ObjectLostError",
    "ObjectReconstructionFailedError",
    "ObjectRefStreamEndOfStreamError",
    "ObjectStoreFullError",
    "OufOfBandObjectRefSerializationException",
    "OutOfDiskError",
    "OutOfMemoryError",
    "OwnerDiedError",
    "PendingCallsLimitExceeded",
    "PlasmaObjectNotAvailable",
    "PyrayInternalError",
    "RayActorError",
    "RayCgraphCapacityExceeded",
    "RayChannelError",
    "RayChannelTimeoutError",
    "RayDirectTransportError",
    "RayError",
    "RaySystemError",
    "RayTaskError",
    "ReferenceCountingAssertionError",
    "RpcError",
    "RuntimeEnvSetupError",
    "SessionCorruptedError",
    "StreamingGeneratorReplayInconsistentError",
    "TaskCancelledError",
    "TaskPlacementGroupRemoved",
    "TaskUnschedulableError",
    "UnserializableException",
    "UserCodeException",
    "WorkerCrashedError",
]


class TaskCancelledError(RayError):
    """A task was cancelled with `ray.cancel`, or depended on one that was.

    Args:
        task_id: The cancelled task, if known.
        error_message: What else there is to say.
    """

    def __init__(self, task_id: object = None, error_message: str | None = None) -> None:
        super().__init__(*(() if task_id is None else (task_id,)))
        self.task_id = task_id
        self.error_message = error_message

    def __str__(self) -> str:
        if self.task_id is None:
            return self.error_message or "This task, or one that it depends on, was cancelled."
        return f"Task: {self.task_id!r} was cancelled. {self.error_message or ''}".rstrip()


class WorkerCrashedError(RayError):
    """The process that ran a task died before the task ended. `deaths` writes the text.

    Raised after the last retry (option ``max_retries``, 3 by default).
    """

    _default_text = "The worker died unexpectedly while executing this task."


class RayActorError(RayError):
    """A call of an actor's method did not finish because of the actor, not of the method.

    Args:
        actor_id: The actor's id in hex.
        error_msg: The text of the error.
        actor_init_failed: Whether the actor's ``__init__`` raised.
        preempted: Whether the machine was taken away. Always False on one machine.
    """

    BASE_ERROR_MSG: ClassVar[str] = "The actor experienced an error before finishing this task."

    def __init__(
        self,
        actor_id: str | None = None,
        error_msg: str = BASE_ERROR_MSG,
        actor_init_failed: bool = False,  # noqa: FBT001, FBT002  (Ray's signature)
        preempted: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        super().__init__(error_msg)
        self.actor_id = actor_id
        self.error_msg = error_msg
        self._actor_init_failed = actor_init_failed
        self._preempted = preempted

    def __str__(self) -> str:
        return self.error_msg

    @property
    def preempted(self) -> bool:
        """Whether the actor died because its machine was taken away."""
        return self._preempted

    @property
    def actor_init_failed(self) -> bool:
        """Whether the actor's ``__init__`` raised."""
        return self._actor_init_failed


class ActorDiedError(RayActorError):
    """The actor is dead and will not come back: it crashed, was killed or left by itself.

    Args:
        cause: The error of the actor's ``__init__``, if that is why it is dead.
        actor_id: The actor's id in hex.
        reason: One or two sentences: how the process ended and what to do about it.
        details: Further facts by name, such as ``class_name``, ``pid``, ``namespace``, ``name``.

    Example:
        >>> print(ActorDiedError(actor_id="ab", reason="It was killed by `ray.kill`."))
        The actor died unexpectedly before finishing this task.
            actor_id: ab
        It was killed by `ray.kill`.
    """

    BASE_ERROR_MSG: ClassVar[str] = "The actor died unexpectedly before finishing this task."

    def __init__(
        self,
        cause: BaseException | None = None,
        *,
        actor_id: str | None = None,
        reason: str = "",
        details: dict[str, object] | None = None,
    ) -> None:
        if cause is not None:
            text = f"The actor died because of an error raised in its creation task, {cause}"
            actor_id = actor_id or getattr(cause, "_actor_id", None)
        else:
            facts: dict[str, object] = {"class_name": None, "actor_id": actor_id}
            facts |= details or {}
            known = [f"    {name}: {fact}" for name, fact in facts.items() if fact is not None]
            text = "\n".join([self.BASE_ERROR_MSG, *known, *([reason] if reason else [])])
        super().__init__(actor_id, text, actor_init_failed=cause is not None)


class ActorUnavailableError(RayActorError):
    """The actor cannot be reached now, usually because it is being restarted; try again later.

    Args:
        error_message: Why it cannot be reached.
        actor_id: The actor's id as bytes.
    """

    def __init__(self, error_message: str, actor_id: bytes | None = None) -> None:
        hex_id = actor_id.hex() if actor_id is not None else None
        which = "" if hex_id is None else f" {hex_id}"
        text = (
            f"The actor{which} is unavailable: {error_message}. "
            "The task may or may not have been executed on the actor."
        )
        super().__init__(hex_id, text)


class RaySystemError(RayError):
    """Something inside pyray went wrong, not in the user's program.

    Args:
        client_exc: What went wrong, an exception or a text.
        traceback_str: Where, if known.
    """

    def __init__(self, client_exc: object = "", traceback_str: str | None = None) -> None:
        super().__init__(client_exc)
        self.client_exc = client_exc
        self.traceback_str = traceback_str

    def __str__(self) -> str:
        where = f"\ntraceback: {self.traceback_str}" if self.traceback_str else ""
        return f"System error: {self.client_exc}{where}"


class UserCodeException(RayError):
    """A user's function failed inside a library built on pyray, such as a data pipeline."""


class ObjectStoreFullError(RayError):
    """The object store has no room, and nothing in it can be dropped.

    Delete references that are no longer needed, or start with a larger ``object_store_memory``.
    """

    _tip: ClassVar[str] = (
        "The object store is full of objects that are still in use. Delete references that you "
        "no longer need, or give `ray.init` a larger object_store_memory."
    )

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self._tip}".lstrip("\n")


class OutOfDiskError(RayError):
    """The object store is full and the disk that it would spill to is full as well."""

    _tip: ClassVar[str] = (
        "The object store is full and so is the disk that objects are spilled to. Check with `df`."
    )

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self._tip}".lstrip("\n")


class OutOfMemoryError(RayError):
    """A worker was stopped because the machine or its cgroup ran out of memory."""

    message = property(text_given)


class GetTimeoutError(RayError, TimeoutError):
    """`ray.get` waited for ``timeout`` seconds and not all values were ready.

    The tasks go on; call `ray.get` again to wait longer, or `ray.cancel` to stop them.
    """

    _default_text = "Get timed out: some object(s) not ready."


class PlasmaObjectNotAvailable(RayError):
    """An object is not in the store at the moment of asking."""


class AsyncioActorExit(RayError):
    """Ends an async actor from inside. Users call `ray.actor.exit_actor`."""


class RuntimeEnvSetupError(RayError):
    """The ``runtime_env`` of a task or actor could not be made ready."""

    _prefix = "Failed to set up runtime environment.\n"
    error_message = property(text_given)


class TaskPlacementGroupRemoved(RayError):
    """The placement group that a task was waiting for has been removed."""

    _default_text = "The placement group corresponding to this task has been removed."


class ActorPlacementGroupRemoved(RayError):
    """The placement group that an actor was waiting for has been removed."""

    _default_text = "The placement group corresponding to this Actor has been removed."


class PendingCallsLimitExceeded(RayError):
    """An actor has ``max_pending_calls`` calls waiting and takes no more. Wait for some first."""

    _default_text = "The actor has as many waiting calls as its max_pending_calls allows."


class TaskUnschedulableError(RayError):
    """A task asks for what this machine can never give."""

    _prefix = "The task is not schedulable: "
    error_message = property(text_given)


class ActorUnschedulableError(RayError):
    """An actor asks for what this machine can never give."""

    _prefix = "The actor is not schedulable: "
    error_message = property(text_given)


class ActorAlreadyExistsError(ValueError, RayError):
    """An actor of that name lives in the namespace already."""

    error_message = property(text_given)


class ActorHandleNotFoundError(ValueError, RayError):
    """There is no actor of that name in the namespace."""

    error_message = property(text_given)


class ObjectRefStreamEndOfStreamError(RayError):
    """A streaming generator has no further items."""


class OufOfBandObjectRefSerializationException(RayError):
    """A reference was pickled outside of pyray while that was forbidden. The name is Ray's."""


class UnserializableException(RayError):
    """An error arrived that cannot be loaded here, often because its class is not importable.

    Args:
        original_stack_trace: The error's text, made where it was raised.
    """

    def __init__(self, original_stack_trace: str) -> None:
        super().__init__(original_stack_trace)
        self._original_stack_trace = original_stack_trace

    def __str__(self) -> str:
        return (
            "Failed to deserialize exception. Is its class importable here, and does its "
            f"__reduce__ load?\nOriginal exception:\n{self._original_stack_trace}"
        )


class StreamingGeneratorReplayInconsistentError(RaySystemError):
    """A retried generator task made other items than the first time."""


class RayDirectTransportError(RaySystemError):
    """A transfer between devices failed."""


class RayChannelError(RaySystemError):
    """A channel of a compiled graph failed."""


class RayChannelTimeoutError(RayChannelError, TimeoutError):
    """A channel of a compiled graph was not ready in time."""


class RayCgraphCapacityExceeded(RaySystemError):
    """A compiled graph has as many runs under way as it can buffer."""


class ForkedProcessError(RayError):
    """pyray was used in a child made by ``os.fork`` (also ``multiprocessing``'s fork method).

    The child shares memory with its parent but not its place in the session. Use tasks instead of
    child processes, the spawn method, or call `ray.init` in the child.
    """

    _default_text = (
        "This process was forked from one that uses pyray and cannot go on with its session. "
        "Use tasks instead, start the child by multiprocessing's 'spawn' method, "
        "or call `ray.init` in the child."
    )


class SessionCorruptedError(RayError):
    """A check of the session's shared memory failed; this session cannot be used any more."""

    _default_text = (
        "The session's shared memory failed a check. Call `ray.shutdown` and `ray.init` again, "
        "and please report this."
    )


class PyrayInternalError(RayError):
    """A fault of pyray itself. The session is closed for use; the process goes on."""

    _default_text = (
        "A fault in pyray. Call `ray.shutdown` and `ray.init` again; please report this."
    )
