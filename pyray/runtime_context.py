"""`ray.get_runtime_context()`: where am I?"""

from __future__ import annotations

import os
from typing import Any

from pyray import _core, gpus, runtime
from pyray.actor_handle import ActorHandle, actor_id_of
from pyray.core_engine import UNIT
from pyray.ids import ActorID, JobID, NodeID, TaskID
from pyray.runtime_env import RuntimeEnv


def current_task_id() -> TaskID | None:
    """Return the id of the running task; None outside of a task."""
    own = _core.current_task_id()
    return None if own is None else TaskID(own)


class RuntimeContext:
    """What the calling code can know about its surroundings."""

    def get(self) -> dict[str, Any]:
        """Return ids of job, node and worker, and of task and actor where there are such."""
        found = {"job_id": self.job_id, "node_id": self.node_id, "namespace": self.namespace}
        if runtime.is_worker():
            found |= {"task_id": self.task_id}
        if (actor_id := self.actor_id) is not None:
            found["actor_id"] = actor_id
        return found

    @property
    def job_id(self) -> JobID:
        """The id of the job: of the driver, or of that whose task this is."""
        return JobID(_core.own_job().to_bytes(4, "little"))

    def get_job_id(self) -> str:
        """Return the id of the job in hex."""
        return self.job_id.hex()

    @property
    def node_id(self) -> NodeID:
        """The id of this machine."""
        return NodeID(_core.nonce().to_bytes(28, "big"))

    def get_node_id(self) -> str:
        """Return the id of this machine in hex."""
        return self.node_id.hex()

    def get_session_name(self) -> str:
        """Return the name of the session."""
        return f"session_{_core.nonce():016x}"

    @property
    def task_id(self) -> TaskID | None:
        """The id of the running task; None outside of a task."""
        return current_task_id()

    def get_task_id(self) -> str | None:
        """Return the id of the running task in hex; None outside of a task.

        It is that of the reference to the task's first result: `ref.task_id().hex()`.
        """
        task_id = current_task_id()
        return None if task_id is None else task_id.hex()

    def get_task_name(self) -> str | None:
        """Return the name of the running task; None outside of a task."""
        return _core.current_task()[0] or None

    def get_task_function_name(self) -> str | None:
        """Return the name of the function that the running task calls; None outside of a task."""
        return self.get_task_name()

    def get_actor_name(self) -> str | None:
        """Return the name of the actor this code belongs to, "" without one; None elsewhere."""
        handle = _core.current_actor_handle()
        if handle is None:
            return None
        engine, key = runtime.engine(), _core.ref_key(handle)
        for namespace, name in engine.actor_names():
            found = engine.find_actor(namespace, name)
            if found is not None and found[0] == key:
                return name
        return ""

    def get_task_attempt(self) -> int:
        """Return how often the running task was tried before: 0 at the first try."""
        return max(_core.current_task()[2] - 1, 0)

    @property
    def actor_id(self) -> ActorID | None:
        """The id of the actor this code belongs to; None elsewhere."""
        handle = _core.current_actor_handle()
        if handle is None:
            return None
        return ActorID(actor_id_of(handle))

    def get_actor_id(self) -> str | None:
        """Return the id of the actor this code belongs to in hex; None elsewhere."""
        actor_id = self.actor_id
        return None if actor_id is None else actor_id.hex()

    @property
    def current_actor(self) -> ActorHandle:
        """A handle of the actor this code belongs to; it does not keep the actor.

        Raises:
            RuntimeError: Elsewhere.
        """
        ref = _core.current_actor_handle()
        instance = _core.current_instance()
        if ref is None or instance is None:
            raise RuntimeError("This method is only available in an actor.")
        from pyray.worker.actor_loops import own_info

        return ActorHandle.of(ref, own_info(type(instance)), weak=True)

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """Whether the actor this code belongs to was started again after its process died.

        Raises:
            AssertionError: Outside of an actor.
        """
        if _core.current_actor_handle() is None:
            raise AssertionError("This method should't be called inside Ray tasks or the driver.")
        return _core.actor_restarted()

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

    def get_assigned_resources(self) -> dict[str, float]:
        """Return the amounts of resources that the current task or actor has, by name.

        Raises:
            AssertionError: If it is not called in a worker.
        """
        if not runtime.is_worker():
            raise AssertionError("This method is only available when the process is a worker.")
        names = list(_core.resources())
        return {names[index]: amount / UNIT for index, amount in _core.assigned_resources().items()}

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        """Return the ids of the GPUs that the current task or actor may use."""
        return {"GPU": gpus.assigned()}

    get_resource_ids = get_accelerator_ids

    def get_node_labels(self) -> dict[str, str]:
        """Return the labels of this machine."""
        return dict(runtime.engine().nodes()[0]["Labels"])

    @property
    def runtime_env(self) -> RuntimeEnv:
        """The runtime_env of this process: the job's, with that of its tasks."""
        return RuntimeEnv(**runtime.engine().runtime_env)

    def get_runtime_env_string(self) -> str:
        """Return the runtime_env of this process in JSON."""
        return self.runtime_env.serialize()

    @property
    def gcs_address(self) -> str:
        """The address of the session: its folder; there is no server, and none is needed."""
        from pyray.node.session import session_path

        return session_path() or "local"

    @property
    def worker(self) -> Any:
        """Not available: it is internal to Ray."""
        raise AttributeError("RuntimeContext.worker is internal to Ray and not part of pyray.")


def get_runtime_context() -> RuntimeContext:
    """Return the context of the calling code."""
    runtime.engine()
    return RuntimeContext()
