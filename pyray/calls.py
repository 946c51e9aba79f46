"""put, get, wait and the other verbs of the public API: what they accept, and their messages."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from pyray import gpus, runtime
from pyray._core import PICKLING_ERRORS, ObjectRef
from pyray.actor_handle import ActorHandle
from pyray.serialization import not_serializable
from pyray.streams import ObjectRefGenerator


class GraphResult:
    """What `get` also takes: a result of a compiled graph; see `pyray.dag`."""

    def get(self, timeout: float | None = None) -> Any:
        """Wait for the result and return it."""
        raise NotImplementedError


def put(value: Any, *, _owner: Any = None, _tensor_transport: str = "object_store") -> ObjectRef:
    """Store a value in the object store.

    Args:
        value: Any value that can be pickled. numpy arrays, Arrow tables, pandas frames and torch
            tensors are copied once, as they are; everybody who gets them sees the same memory.

    Returns:
        A reference to it.

    Example:
        >>> import pyray as ray
        >>> ref = ray.put({"left": [1, 2]})
        >>> ray.get(ref)
        {'left': [1, 2]}

    Raises:
        TypeError: If the value is itself a reference, or cannot be pickled.
        ObjectStoreFullError: If there is no room.
    """
    del _tensor_transport
    if _owner is not None and not isinstance(_owner, ActorHandle):
        raise TypeError(f"The owner of an object must be an ActorHandle, not {type(_owner)}.")
    if isinstance(value, ObjectRef):
        raise TypeError(
            "Calling 'put' on an ray.ObjectRef is not allowed. If you really want to do this, "
            "you can wrap the ray.ObjectRef in a list and call 'put' on it."
        )
    try:
        return runtime.engine().put(value)
    except PICKLING_ERRORS as error:
        raise not_serializable("the put value", value, error) from error


def get(object_refs: Any, *, timeout: float | None = None, _tensor_transport: Any = None) -> Any:
    """Wait for one or several objects and return their values.

    Args:
        object_refs: A reference, or a list of references (duplicates are fine).
        timeout: Seconds to wait at most; 0 raises at once if something is missing; None waits for
            ever.

    Returns:
        The value, or a list of values. Arrays are read-only views on the store: `.copy()` them to
        write.

    Example:
        >>> import pyray as ray
        >>> one, two = ray.put(1), ray.put(2)
        >>> ray.get(one)
        1
        >>> ray.get([two, one])
        [2, 1]

    Raises:
        GetTimeoutError: If the time is over. It is a TimeoutError.
        RayTaskError: If a task raised: an instance of the task's exception class as well.
        RayError: If a worker or an actor died, or an object was lost.
        ValueError: If it is asked for anything else than references, or the timeout is negative.
        TypeError: If a list contains anything else than references.
    """
    del _tensor_transport
    engine = runtime.engine()
    if timeout is not None:
        _check_timeout(timeout)
    if type(object_refs) is ObjectRef:
        return engine.get(object_refs, timeout)
    if isinstance(object_refs, ObjectRefGenerator):
        return object_refs  # as in Ray
    if isinstance(object_refs, GraphResult):
        return object_refs.get(timeout)
    if not isinstance(object_refs, list):
        if isinstance(object_refs, Sequence) and not isinstance(object_refs, str | bytes):
            object_refs = list(object_refs)
        else:
            raise _not_refs(object_refs)
    if object_refs and isinstance(object_refs[0], GraphResult):
        return [ref.get(timeout) for ref in object_refs]
    return engine.get_many(object_refs, timeout)


def _not_refs(found: object) -> ValueError:
    return ValueError(
        f"Invalid type of object refs, {type(found)}, is given. 'object_refs' must either be an "
        "ObjectRef or a list of ObjectRefs. "
    )


def wait(
    ray_waitables: list[Any],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[Any], list[Any]]:
    """Wait until some of the objects are ready.

    Args:
        ray_waitables: Distinct references and generators; a generator is ready when its next item
            is, or at its end.
        num_returns: How many to wait for.
        timeout: Seconds to wait at most; None waits for ever.
        fetch_local: Accepted; all objects are local.

    Returns:
        (ready, not ready), each in the order given; `ready` has at most `num_returns` entries.

    Example:
        >>> import pyray as ray
        >>> refs = [ray.put(n) for n in range(3)]
        >>> done, rest = ray.wait(refs, num_returns=2)
        >>> ray.get(done), len(rest)
        ([0, 1], 1)

    Raises:
        TypeError: If it is not given a list of references.
        ValueError: If a reference is there twice, or `num_returns` is out of range.
    """
    del fetch_local
    if not isinstance(ray_waitables, list):
        raise _not_a_list(ray_waitables)
    if timeout is not None:
        _check_timeout(timeout)
    if not ray_waitables:
        return [], []
    num_returns = operator.index(num_returns)
    if num_returns <= 0:
        raise ValueError(f"Invalid number of objects to return {num_returns}.")
    if num_returns > len(ray_waitables):
        raise ValueError(
            "num_returns cannot be greater than the number of ray_waitables provided to ray.wait."
        )
    try:
        return runtime.engine().wait(ray_waitables, num_returns, timeout)
    except TypeError:
        if not any(isinstance(one, ObjectRefGenerator) for one in ray_waitables):
            raise
        return _wait_for_some_generators(ray_waitables, num_returns, timeout)


def _wait_for_some_generators(
    waitables: list[Any], num_returns: int, timeout: float | None
) -> tuple[list[Any], list[Any]]:
    refs = [
        one.next_waitable() if isinstance(one, ObjectRefGenerator) else one for one in waitables
    ]
    of_ref = dict(zip(refs, waitables, strict=True))
    ready, rest = runtime.engine().wait(refs, num_returns, timeout)
    return [of_ref[ref] for ref in ready], [of_ref[ref] for ref in rest]


def _not_a_list(found: object) -> TypeError:
    kind = str(type(found))
    if isinstance(found, ObjectRef):
        kind = f"a single ray.ObjectRef or ray.ObjectRefGenerator {found!r}"
    return TypeError(
        f"wait() expected a list of ray.ObjectRef or ray.ObjectRefGenerator, got {kind}"
    )


def _check_timeout(timeout: float) -> None:
    if not timeout >= 0:  # not a number is not either
        raise ValueError(f"The 'timeout' argument must be nonnegative. Received {timeout}")


def kill(actor: ActorHandle, *, no_restart: bool = True) -> None:
    """End an actor's process at once; calls that are queued or running fail with ActorDiedError.

    Example:
        >>> import pyray as ray
        >>> @ray.remote
        ... class Sleeper:
        ...     def sleep(self):
        ...         import time
        ...         time.sleep(1000)
        >>> sleeper = Sleeper.remote()
        >>> ref = sleeper.sleep.remote()
        >>> ray.kill(sleeper)
        >>> ray.get(ref)
        Traceback (most recent call last):
        pyray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task...

    Raises:
        ValueError: If it is not an actor.
    """
    if not isinstance(actor, ActorHandle):
        raise ValueError(  # noqa: TRY004  (Ray's type)
            "ray.kill() only supported for actors. For tasks, try ray.cancel(). "
            f"Got: {type(actor)}."
        )
    handle = actor._handle  # noqa: SLF001  (a handle's public names are the user's)
    runtime.engine().kill(handle, no_restart=no_restart)


def cancel(
    ray_waitable: ObjectRef | ObjectRefGenerator, *, force: bool = False, recursive: bool = True
) -> None:
    """Cancel a task, or a call of an actor's method.

    A task that has not begun never runs. One that runs is interrupted: its main thread gets a
    `KeyboardInterrupt`, also in the middle of `time.sleep` or `ray.get`; compiled code gets it when
    it returns to Python. Calls that an actor has begun are not interrupted: they can ask
    `ray.get_runtime_context().is_canceled()`, and end with this error whatever they return.
    Nothing happens to a task that has finished. Cancelled tasks are not retried.

    Args:
        ray_waitable: A reference to a result of the task, or its generator.
        force: Kill the task's worker instead of interrupting it.
        recursive: Cancel as well what the task has submitted, and what that has submitted. `force`
            reaches the tasks among them, not the calls of actors.

    Example:
        >>> import time
        >>> import pyray as ray
        >>> ref = ray.remote(time.sleep).remote(1000)
        >>> ray.cancel(ref)
        >>> ray.get(ref)
        Traceback (most recent call last):
        pyray.exceptions.TaskCancelledError: ...

    Raises:
        TypeError: If it is not given a reference.
        ValueError: If `force` is asked for a call of an actor: `ray.kill` ends an actor.
    """
    if isinstance(ray_waitable, ObjectRefGenerator):
        ray_waitable = ray_waitable.completed()
    if not isinstance(ray_waitable, ObjectRef):
        raise TypeError(
            "ray.cancel() only supported for object refs. For actors, try ray.kill(). "
            f"Got: {type(ray_waitable)}."
        )
    runtime.engine().cancel(ray_waitable, force=bool(force), recursive=bool(recursive))


def cluster_resources() -> dict[str, float]:
    """Return the total amount of each resource.

    Example:
        >>> import pyray as ray
        >>> "CPU" in ray.cluster_resources()
        True
    """
    return {name: total for name, (total, _) in runtime.engine().resources().items()}


def available_resources() -> dict[str, float]:
    """Return the free amount of each resource; those that are used up are left out, as in Ray."""
    return {name: free for name, (_, free) in runtime.engine().resources().items() if free > 0}


def get_gpu_ids() -> list[int] | list[str]:
    """Return the ids of the GPUs that the current task or actor may use.

    They are numbers from 0, or those that CUDA_VISIBLE_DEVICES named when the session began.
    """
    runtime.engine()
    names = gpus.assigned()
    return [int(name) for name in names] if all(map(str.isdecimal, names)) else names


def nodes() -> list[dict[str, Any]]:
    """Describe the machines of the session."""
    return list(runtime.engine().nodes())
