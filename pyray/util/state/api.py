"""`ray.util.state`: what a session has and does, from Python.

Without `address` the session is this process's, or, in a process that has none, the youngest one of
this user on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyray.observability import logs
from pyray.observability import queries as state
from pyray.observability.schemas import (
    DEFAULT_LIMIT,
    DEFAULT_RPC_TIMEOUT,
    RAY_MAX_LIMIT_FROM_API_SERVER,
    ActorState,
    JobState,
    NodeState,
    ObjectState,
    PlacementGroupState,
    RayStateApiException,
    RuntimeEnvState,
    TaskState,
    WorkerState,
)

Filters = list[tuple[str, str, Any]] | None


class StateApiClient:
    """Asks one session.

    Args:
        address: Beginning of a session's id; None: see above.
    """

    def __init__(self, address: str | None = None) -> None:
        self._session = state.session_at(address)

    def list(
        self,
        resource: str,
        filters: Filters = None,
        limit: int = DEFAULT_LIMIT,
        *,
        detail: bool = False,
        explain: bool = False,
    ) -> list[Any]:
        """Return rows of a resource; see `list_tasks`."""
        if not 0 < limit <= RAY_MAX_LIMIT_FROM_API_SERVER:
            raise ValueError(
                f"Given limit {limit} is not between 1 and the supported limit "
                f"{RAY_MAX_LIMIT_FROM_API_SERVER}."
            )
        answer = state.query(self._session, resource, filters, limit, detail=detail)
        if explain:
            state.explain(answer)
        return state.rows_as(resource, answer.rows)

    def get(self, resource: str, id: str) -> Any:  # noqa: A002  (Ray's name)
        """Return the row with this id, a list if there are several, None if there is none."""
        found = state.one_of(self._session, resource, id)
        if resource == "objects":
            return found
        return found[0] if len(found) == 1 else found or None

    def summary(self, resource: str) -> dict[str, Any]:
        """Return a summary of tasks, actors or objects."""
        make = {
            "tasks": state.task_summary,
            "actors": state.actor_summary,
            "objects": state.object_summary,
        }[resource]
        return {"cluster": make(self._session)}


def list_tasks(
    address: str | None = None,
    filters: Filters = None,
    limit: int = DEFAULT_LIMIT,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[TaskState]:
    """Return the tasks of a session.

    Those that run and wait come first, then those that ended, the last ones first: at least the
    last 100,000 attempts of a session.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a task must pass all of them. Texts are compared
            whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
    """
    del timeout, raise_on_missing_output
    client = StateApiClient(address)
    return client.list("tasks", filters, limit, detail=detail, explain=_explain)


def list_actors(
    address: str | None = None,
    filters: Filters = None,
    limit: int = DEFAULT_LIMIT,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[ActorState]:
    """Return the actors of a session.

    Living ones first, then those that died, the last ones first.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a actor must pass all of them. Texts are compared
            whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
    """
    del timeout, raise_on_missing_output
    client = StateApiClient(address)
    return client.list("actors", filters, limit, detail=detail, explain=_explain)


def list_objects(
    address: str | None = None,
    filters: Filters = None,
    limit: int = DEFAULT_LIMIT,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[ObjectState]:
    """Return the objects of a session.

    One row for each holder of each object; the largest objects first.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a object must pass all of them. Texts are compared
            whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
    """
    del timeout, raise_on_missing_output
    client = StateApiClient(address)
    return client.list("objects", filters, limit, detail=detail, explain=_explain)


def list_workers(
    address: str | None = None,
    filters: Filters = None,
    limit: int = DEFAULT_LIMIT,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[WorkerState]:
    """Return the workers of a session.

    Workers and drivers that live.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a worker must pass all of them. Texts are compared
            whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
    """
    del timeout, raise_on_missing_output
    client = StateApiClient(address)
    return client.list("workers", filters, limit, detail=detail, explain=_explain)


def list_nodes(
    address: str | None = None,
    filters: Filters = None,
    limit: int = DEFAULT_LIMIT,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[NodeState]:
    """Return the nodes of a session.

    There is one.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a node must pass all of them. Texts are compared
            whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
    """
    del timeout, raise_on_missing_output
    client = StateApiClient(address)
    return client.list("nodes", filters, limit, detail=detail, explain=_explain)


def list_jobs(
    address: str | None = None,
    filters: Filters = None,
    limit: int = DEFAULT_LIMIT,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[JobState]:
    """Return the jobs of a session.

    Drivers that are in the session.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a job must pass all of them. Texts are compared
            whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
    """
    del timeout, raise_on_missing_output
    client = StateApiClient(address)
    return client.list("jobs", filters, limit, detail=detail, explain=_explain)


def list_placement_groups(
    address: str | None = None,
    filters: Filters = None,
    limit: int = DEFAULT_LIMIT,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[PlacementGroupState]:
    """Return the placement groups of a session.

    Those that are not removed.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a placement group must pass all of them. Texts are
            compared whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
    """
    del timeout, raise_on_missing_output
    client = StateApiClient(address)
    return client.list("placement_groups", filters, limit, detail=detail, explain=_explain)


def list_runtime_envs(
    address: str | None = None,
    filters: Filters = None,
    limit: int = DEFAULT_LIMIT,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[RuntimeEnvState]:
    """Return the runtime envs of a session.

    Those that workers have, beside the job's.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a runtime env must pass all of them. Texts are
            compared whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
    """
    del timeout, raise_on_missing_output
    client = StateApiClient(address)
    return client.list("runtime_envs", filters, limit, detail=detail, explain=_explain)


def get_task(
    id: str,  # noqa: A002  (Ray's name)
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
) -> TaskState | list[TaskState] | None:
    """Return the task with this id, a list if it was tried often, None if there is none."""
    del timeout, _explain
    found: TaskState | list[TaskState] | None = StateApiClient(address).get("tasks", id)
    return found


def get_actor(
    id: str,  # noqa: A002  (Ray's name)
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
) -> ActorState | None:
    """Return the actor with this id, None if there is none."""
    del timeout, _explain
    found: ActorState | None = StateApiClient(address).get("actors", id)
    return found


def get_objects(
    id: str,  # noqa: A002  (Ray's name)
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
) -> list[ObjectState]:
    """Return the holders of the object with this id, a row each."""
    del timeout, _explain
    found: list[ObjectState] = StateApiClient(address).get("objects", id)
    return found


def get_worker(
    id: str,  # noqa: A002  (Ray's name)
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
) -> WorkerState | None:
    """Return the worker with this id, None if there is none."""
    del timeout, _explain
    found: WorkerState | None = StateApiClient(address).get("workers", id)
    return found


def get_node(
    id: str,  # noqa: A002  (Ray's name)
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
) -> NodeState | None:
    """Return the node with this id, None if there is none."""
    del timeout, _explain
    found: NodeState | None = StateApiClient(address).get("nodes", id)
    return found


def get_job(
    id: str,  # noqa: A002  (Ray's name)
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
) -> JobState | None:
    """Return the job with this id, None if there is none."""
    del timeout, _explain
    found: JobState | None = StateApiClient(address).get("jobs", id)
    return found


def get_placement_group(
    id: str,  # noqa: A002  (Ray's name)
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
) -> PlacementGroupState | None:
    """Return the placement group with this id, None if there is none."""
    del timeout, _explain
    found: PlacementGroupState | None = StateApiClient(address).get("placement_groups", id)
    return found


def summarize_tasks(
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002  (as in Ray)
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> dict[str, Any]:
    """Count tasks by name and state: all there were, exactly."""
    del timeout, raise_on_missing_output, _explain
    return StateApiClient(address).summary("tasks")


def summarize_actors(
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002  (as in Ray)
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> dict[str, Any]:
    """Count actors by class and state."""
    del timeout, raise_on_missing_output, _explain
    return StateApiClient(address).summary("actors")


def summarize_objects(
    address: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002  (as in Ray)
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> dict[str, Any]:
    """Count objects by where they were made."""
    del timeout, raise_on_missing_output, _explain
    return StateApiClient(address).summary("objects")


def list_logs(
    address: str | None = None,
    node_id: str | None = None,
    node_ip: str | None = None,
    glob_filter: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
) -> dict[str, list[str]]:
    """Return the names of the session's log files, by category."""
    del node_id, node_ip, timeout
    return logs.log_files(state.session_at(address), glob_filter or "*")


def get_log(
    address: str | None = None,
    node_id: str | None = None,
    node_ip: str | None = None,
    filename: str | None = None,
    actor_id: str | None = None,
    task_id: str | None = None,
    pid: int | None = None,
    follow: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    tail: int = -1,
    timeout: int = DEFAULT_RPC_TIMEOUT,
    suffix: str = "out",
    encoding: str | None = "utf-8",
    errors: str | None = "strict",
    submission_id: str | None = None,
    attempt_number: int = 0,
    _interval: float | None = None,
    filter_ansi_code: bool = False,  # noqa: FBT001, FBT002
) -> Iterator[str | bytes]:
    """Yield what a file, or the process of an actor, a task or a `pid`, has printed.

    Args:
        address: The session; see the module.
        node_id: Accepted: there is one machine.
        node_ip: Likewise.
        filename: A name that `list_logs` returned.
        actor_id: Or an actor.
        task_id: Or a task: all that its worker has printed.
        pid: Or a worker.
        follow: Go on when more is printed.
        tail: Only so many lines at the end; -1: all.
        timeout: Accepted.
        suffix: "out" or "err".
        encoding: Of the texts; None: yield bytes.
        errors: What to do with bytes that are none.
        submission_id: Not known here: see the client of jobs.
        attempt_number: Which attempt of the task.
        filter_ansi_code: Whether to leave out colours.

    Raises:
        RayStateApiException: If there is no such file.
    """
    del node_id, node_ip, timeout, _interval
    session = state.session_at(address)
    if submission_id is not None:
        raise RayStateApiException("Output of submitted jobs: see JobSubmissionClient.")
    if filename is None:
        process = pid or state.process_of(session, actor_id, task_id, attempt_number)
        filename = logs.file_of_process(session, process, suffix)
    pieces = logs.read_log(session, filename, tail=tail, follow=follow)
    if encoding is None:
        yield from pieces
    else:
        yield from logs.decoded(pieces, encoding, errors or "strict", plain=filter_ansi_code)
