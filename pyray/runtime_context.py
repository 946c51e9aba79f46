"""`ray.get_runtime_context()`: where am I?"""

from __future__ import annotations

import os
from typing import Any

from pyray import _core, runtime
from pyray.ids import JobID, NodeID, TaskID


def current_task_id() -> TaskID | None:
    """Return the id of the running task; None outside of a task."""
    _, serial, _ = _core.current_task()
    if serial == 0:
        return None
    return TaskID(serial.to_bytes(8, "big") + b"\xff" * 12 + b"\x01\x00\x00\x00")


class RuntimeContext:
    """What the calling code can know about its surroundings."""

    def get_job_id(self) -> str:
        """Return the id of the job in hex."""
        return str(JobID(b"\x01\x00\x00\x00").hex())

    def get_node_id(self) -> str:
        """Return the id of this machine in hex."""
        return str(NodeID(_core.nonce().to_bytes(28, "big")).hex())

    def get_task_id(self) -> str | None:
        """Return the id of the running task in hex; None outside of a task."""
        task_id = current_task_id()
        return None if task_id is None else task_id.hex()

    def get_task_name(self) -> str | None:
        """Return the name of the running task; None outside of a task."""
        return _core.current_task()[0] or None

    def get_actor_id(self) -> str | None:
        """Return the id of the actor this code belongs to in hex; None elsewhere."""
        handle = _core.current_actor_handle()
        if handle is None or not _core.has_actor():
            return None
        return (handle.binary()[:12] + b"\x01\x00\x00\x00").hex()

    def get_worker_id(self) -> str:
        """Return an id of this process in hex."""
        return (os.getpid().to_bytes(8, "big") + _core.nonce().to_bytes(20, "big")).hex()

    def is_canceled(self) -> bool:
        """Return whether somebody has called `ray.cancel` on the running task.

        A method of an actor is not interrupted: one that runs long asks, and ends by itself.

        Raises:
            RuntimeError: If the calling process is no worker.
        """
        if not runtime.is_worker():
            raise RuntimeError("is_canceled() only works in tasks and actors: this is a driver.")
        return _core.is_task_cancelled()

    @property
    def namespace(self) -> str:
        """Name space for named actors."""
        return runtime.namespace()

    @property
    def worker(self) -> Any:
        """Not available: it is internal to Ray."""
        raise AttributeError("RuntimeContext.worker is internal to Ray and not part of pyray.")


def get_runtime_context() -> RuntimeContext:
    """Return the context of the calling code."""
    runtime.engine()
    return RuntimeContext()
