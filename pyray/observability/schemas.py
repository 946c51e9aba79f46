"""What the state API returns: one class for each kind of thing, with Ray's names for its fields.

A field is filled with `detail=True` only, or always; some say nothing on one machine and are there
for programs that read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

DEFAULT_LIMIT = 100
DEFAULT_RPC_TIMEOUT = 30
RAY_MAX_LIMIT_FROM_API_SERVER = 1_000_000


def column(*, detail: bool = False, filterable: bool = True, default: Any = None) -> Any:
    """Declare a field.

    Args:
        detail: It is shown with `detail=True` only.
        filterable: Filters may name it.
        default: Its value where there is nothing to say.
    """
    metadata = {"detail": detail, "filterable": filterable}
    return field(default=default, metadata=metadata)


class StateSchema:
    """A row; its fields can be read as attributes and by name in brackets."""

    @classmethod
    def columns(cls) -> set[str]:
        """Return the names of all fields."""
        return {one.name for one in fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def list_columns(cls, detail: bool = True) -> list[str]:  # noqa: FBT001, FBT002  (Ray's)
        """Return the names of the fields that are shown, in order."""
        return [
            one.name
            for one in fields(cls)  # type: ignore[arg-type]
            if detail or not one.metadata["detail"]
        ]

    @classmethod
    def base_columns(cls) -> set[str]:
        """Return the names of the fields that are always filled."""
        return set(cls.list_columns(detail=False))

    @classmethod
    def filterable_columns(cls) -> set[str]:
        """Return the names of the fields that filters may name."""
        return {one.name for one in fields(cls) if one.metadata["filterable"]}  # type: ignore[arg-type]

    def asdict(self) -> dict[str, Any]:
        """Return the fields as a dictionary."""
        return dict(self.__dict__)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field by name."""
        return self.__dict__.get(key, default)

    def __getitem__(self, key: str) -> Any:
        return self.__dict__[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __contains__(self, key: object) -> bool:
        return key in self.__dict__

    def __len__(self) -> int:
        return len(self.__dict__)

    def keys(self) -> Any:
        """Return the names of the fields."""
        return self.__dict__.keys()

    def values(self) -> Any:
        """Return the values of the fields."""
        return self.__dict__.values()

    def items(self) -> Any:
        """Return names and values of the fields."""
        return self.__dict__.items()


class RayStateApiException(Exception):  # noqa: N818  (Ray's name)
    """A question about a session's state cannot be answered."""


class ServerUnavailable(RayStateApiException):
    """There is no session that could be asked."""


@dataclass
class TaskState(StateSchema):
    """An attempt of a task: one that ended, or the one that comes next."""

    task_id: str = column()
    attempt_number: int = column()
    name: str = column()
    state: str = column()
    job_id: str = column()
    actor_id: str | None = column()
    type: str = column()
    func_or_class_name: str = column()
    parent_task_id: str = column()
    node_id: str | None = column()
    worker_id: str | None = column()
    worker_pid: int | None = column()
    error_type: str | None = column()
    language: str | None = column(detail=True)
    required_resources: dict[str, float] | None = column(detail=True, filterable=False)
    runtime_env_info: dict[str, Any] | None = column(detail=True, filterable=False)
    placement_group_id: str | None = column(detail=True)
    events: list[dict[str, Any]] | None = column(detail=True, filterable=False)
    profiling_data: dict[str, Any] | None = column(detail=True, filterable=False)
    creation_time_ms: int | None = column(detail=True, filterable=False)
    start_time_ms: int | None = column(detail=True, filterable=False)
    end_time_ms: int | None = column(detail=True, filterable=False)
    task_log_info: dict[str, Any] | None = column(detail=True, filterable=False)
    error_message: str | None = column(detail=True, filterable=False)
    is_debugger_paused: bool | None = column(detail=True)
    call_site: str | None = column(detail=True, filterable=False)
    label_selector: dict[str, str] | None = column(detail=True, filterable=False)
    fallback_strategy: dict[str, Any] | None = column(detail=True, filterable=False)


@dataclass
class ActorState(StateSchema):
    """An actor, alive or dead."""

    actor_id: str = column()
    class_name: str = column()
    state: str = column()
    job_id: str = column()
    name: str | None = column()
    node_id: str | None = column()
    pid: int | None = column()
    ray_namespace: str | None = column()
    serialized_runtime_env: str | None = column(detail=True, filterable=False)
    required_resources: dict[str, float] | None = column(detail=True, filterable=False)
    death_cause: dict[str, Any] | None = column(detail=True, filterable=False)
    is_detached: bool | None = column(detail=True, filterable=False)
    placement_group_id: str | None = column(detail=True)
    repr_name: str | None = column(detail=True)
    num_restarts: int = column(detail=True, filterable=False)
    num_restarts_due_to_lineage_reconstruction: int = column(detail=True, filterable=False)
    num_restarts_due_to_node_preemption: int = column(detail=True, filterable=False)
    call_site: str | None = column(detail=True, filterable=False)
    label_selector: dict[str, str] | None = column(detail=True, filterable=False)
    fallback_strategy: dict[str, Any] | None = column(detail=True, filterable=False)


@dataclass
class ObjectState(StateSchema):
    """A holder of an object: a process, a task, or another object."""

    object_id: str = column()
    object_size: int = column()
    task_status: str = column()
    attempt_number: int = column()
    reference_type: str = column()
    call_site: str = column()
    type: str = column()
    pid: int = column()
    ip: str = column()


@dataclass
class WorkerState(StateSchema):
    """A process of a session."""

    worker_id: str = column()
    is_alive: bool = column()
    worker_type: str = column()
    exit_type: str | None = column()
    node_id: str = column()
    ip: str = column()
    pid: int = column()
    exit_detail: str | None = column(detail=True, filterable=False)
    worker_launch_time_ms: int | None = column(detail=True, filterable=False)
    worker_launched_time_ms: int | None = column(detail=True, filterable=False)
    start_time_ms: int | None = column(detail=True, filterable=False)
    end_time_ms: int | None = column(detail=True, filterable=False)
    debugger_port: int | None = column(detail=True)
    num_paused_threads: int | None = column(detail=True)


@dataclass
class NodeState(StateSchema):
    """The machine."""

    node_id: str = column()
    node_ip: str = column()
    is_head_node: bool = column()
    state: str = column()
    state_message: str | None = column(filterable=False)
    node_name: str = column()
    resources_total: dict[str, float] = column(filterable=False)
    labels: dict[str, str] = column(filterable=False)
    start_time_ms: int | None = column(detail=True, filterable=False)
    end_time_ms: int | None = column(detail=True, filterable=False)


@dataclass
class JobState(StateSchema):
    """A driver of a session."""

    job_id: str = column()
    submission_id: str | None = column()
    entrypoint: str = column()
    type: str = column()
    status: str = column()
    message: str | None = column(detail=True)
    error_type: str | None = column(detail=True)
    driver_info: dict[str, Any] | None = column(detail=True, filterable=False)
    start_time: int | None = column(detail=True, filterable=False)
    end_time: int | None = column(detail=True, filterable=False)


@dataclass
class PlacementGroupState(StateSchema):
    """A placement group."""

    placement_group_id: str = column()
    name: str = column()
    creator_job_id: str = column()
    state: str = column()
    bundles: list[dict[str, Any]] | None = column(detail=True, filterable=False)
    is_detached: bool | None = column(detail=True)
    stats: dict[str, Any] | None = column(detail=True, filterable=False)


@dataclass
class RuntimeEnvState(StateSchema):
    """An environment of workers, beside the job's."""

    runtime_env: dict[str, Any] = column()
    success: bool = column()
    creation_time_ms: float | None = column(filterable=False)
    node_id: str = column()
    ref_cnt: int | None = column(detail=True, filterable=False)
    error: str | None = column(detail=True)
