"""Failures of the system (a worker's death, a dead actor) as the exceptions that `get` raises."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from pyray import exceptions
from pyray.errors.deaths import describe_exit, out_of_memory_message, worker_crashed_message
from pyray.errors.tracebacks import format_traceback


class Cause(IntEnum):
    """Why a result is a failure; the numbers of `enum pr_cause` in csrc/engine/engine.h."""

    WORKER_DIED = 1
    ACTOR_DIED = 2
    ACTOR_KILLED = 3
    ACTOR_CREATION = 4
    ACTOR_EXITED = 5
    OWNER_DIED = 6
    CANCELLED = 7
    STORE_FULL = 8
    ACTOR_UNAVAILABLE = 9
    OUT_OF_MEMORY = 10
    ACTOR_OUT_OF_MEMORY = 11
    STREAM_ENDED = 12
    PLACEMENT_REMOVED = 13
    ACTOR_PLACEMENT_REMOVED = 14
    ACTOR_RESTARTS = 15
    ACTOR_JOB_ENDED = 16


def unreadable(error: Exception, is_error: bool) -> Exception:  # noqa: FBT001  (called from C)
    """Return the exception for a stored value that cannot be loaded here.

    Args:
        error: What loading it raised.
        is_error: Whether the value is a task's error.
    """
    if is_error:
        return exceptions.UnserializableException(format_traceback(error))
    return exceptions.RaySystemError(f"{type(error).__name__}: {error}", format_traceback(error))


LEFT = "It has ended: it left by itself (`exit_actor()`), or its last handle is gone."
TOO_OFTEN = (
    "It does not restart again: it has restarted as often as PYRAY_actor_restart_limit allows "
    "within PYRAY_actor_restart_window_s."
)
REMOVED: dict[int, type[Exception]] = {
    Cause.PLACEMENT_REMOVED: exceptions.TaskPlacementGroupRemoved,
    Cause.ACTOR_PLACEMENT_REMOVED: exceptions.ActorPlacementGroupRemoved,
}


class ActorNames(NamedTuple):
    """Which actor it was: its id in hex; namespace and name, empty if it had no name."""

    id: str
    namespace: str
    name: str


def exception_of(  # noqa: C901, PLR0911, PLR0913, PLR0917  (causes; the fields of struct pr_failure)
    cause: int,
    pid: int,
    wait_status: int,
    ran_ms: int,
    name: str,
    detail: object,
    actor: ActorNames | None = None,
) -> Exception:
    """Return the exception for a failure; called by the compiled core with the fields it found.

    `detail` is the constructor's exception, or what the supervisor knows about the death, or None.
    """
    actor = actor and ActorNames(*actor)
    words = detail if isinstance(detail, str) else ""
    if cause == Cause.WORKER_DIED:
        return exceptions.WorkerCrashedError(
            worker_crashed_message(name, pid, wait_status, ran_ms / 1000, words)
        )
    if cause == Cause.OUT_OF_MEMORY:
        return exceptions.OutOfMemoryError(out_of_memory_message(name, words))
    if cause == Cause.CANCELLED:
        return exceptions.TaskCancelledError()
    if cause == Cause.STREAM_ENDED:
        return exceptions.ObjectRefStreamEndOfStreamError(f"The stream of {name} has ended.")
    if cause == Cause.STORE_FULL:
        return exceptions.ObjectStoreFullError(
            f"The object store has no room for the result of {name} (pid {pid}), nor for an error."
        )
    if cause in REMOVED:
        return REMOVED[cause]()
    if cause == Cause.OWNER_DIED:
        return exceptions.OwnerDiedError("", None, "")
    if cause == Cause.ACTOR_UNAVAILABLE:
        class_name = name.rpartition(".")[0] or name
        return exceptions.ActorUnavailableError(
            f"{class_name} restarts, its process {pid} ended: {describe_exit(wait_status)}",
            bytes.fromhex(actor.id) if actor else None,
        )
    if isinstance(detail, BaseException):
        if isinstance(detail, exceptions.RuntimeEnvSetupError):
            return detail
        return exceptions.ActorDiedError(detail, actor_id=actor.id if actor else None)
    class_name = name.rpartition(".")[0] or name
    details: dict[str, object] = {"class_name": class_name, "pid": pid or None}
    if actor and actor.name:
        details |= {"name": actor.name, "namespace": actor.namespace}
    return exceptions.ActorDiedError(
        actor_id=actor.id if actor else None,
        reason=_reason(Cause(cause), wait_status, words),
        details=details,
    )


def _reason(cause: Cause, wait_status: int, words: str) -> str:
    reason = {
        Cause.ACTOR_KILLED: "The actor is dead because it was killed by `ray.kill`.",
        Cause.ACTOR_EXITED: LEFT,
        Cause.ACTOR_CREATION: "Its constructor failed.",
        Cause.ACTOR_JOB_ENDED: "Its job has ended: the driver that created it has gone.",
        Cause.ACTOR_OUT_OF_MEMORY: words,
    }.get(cause) or "\n".join(
        filter(None, [f"Its process ended: {describe_exit(wait_status)}.", words])
    )
    if cause == Cause.ACTOR_RESTARTS:
        reason += f"\n{TOO_OFTEN}"
    return reason
