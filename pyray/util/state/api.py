"""`ray.util.state`: what a session has and does, from Python.

Without `address` the session is this process's, or, in a process that has none, the youngest one of
this user on this machine.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from pyray.observability import logs, queries
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
Row = TypeVar("Row")
Found_co = TypeVar("Found_co", covariant=True)
Made = TypeVar("Made", bound=Callable[..., Any])


class StateApiClient:
    """Asks one session.

    Args:
        address: Beginning of a session's id; None: see above.
    """

    def __init__(self, address: str | None = None) -> None:
        self._session = queries.session_at(address)

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
        answer = queries.query(self._session, resource, filters, limit, detail=detail)
        if explain:
            queries.explain(answer)
        return queries.rows_as(resource, answer.rows)

    def get(self, resource: str, id: str) -> Any:  # noqa: A002  (Ray's name)
        """Return the row with this id, a list if there are several, None if there is none."""
        found = queries.one_of(self._session, resource, id)
        if resource == "objects":
            return found
        return found[0] if len(found) == 1 else found or None

    def summary(self, resource: str) -> dict[str, Any]:
        """Return a summary of tasks, actors or objects."""
        return {"cluster": queries.SUMMARIES[resource](self._session)}


class Lister(Protocol[Row]):
    """Returns rows of one kind.

    Args:
        address: The session; see the module.
        filters: (column, "=" or "!=", value); a row must pass all of them. Texts are compared
            whatever their case.
        limit: At most so many, after filtering.
        timeout: Accepted: nothing that is asked here waits for anybody.
        detail: Whether to fill the fields that are shown on demand.
        raise_on_missing_output: Accepted: nothing can be missing.
        _explain: Warn about what is left out.
    """

    def __call__(
        self,
        address: str | None = None,
        filters: Filters = None,
        limit: int = DEFAULT_LIMIT,
        timeout: int = DEFAULT_RPC_TIMEOUT,
        detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
        raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
        _explain: bool = False,  # noqa: FBT001, FBT002
    ) -> list[Row]:
        """Return rows."""


class Getter(Protocol[Found_co]):
    """Returns what has an id.

    Args:
        id: As lists tell it.
        address: The session; see the module.
        timeout: Accepted.
        _explain: Accepted.
    """

    def __call__(
        self,
        id: str,  # noqa: A002  (Ray's name)
        address: str | None = None,
        timeout: int = DEFAULT_RPC_TIMEOUT,
        _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    ) -> Found_co:
        """Return what has the id."""


class Summary(Protocol):
    """Returns counts.

    Args:
        address: The session; see the module.
        timeout: Accepted.
        raise_on_missing_output: Accepted.
        _explain: Accepted.
    """

    def __call__(
        self,
        address: str | None = None,
        timeout: int = DEFAULT_RPC_TIMEOUT,
        raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002  (as in Ray)
        _explain: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[str, Any]:
        """Return counts."""


def _named(made: Made, name: str, about: str, kind: type) -> Made:
    """Give a function that was made below its name and documentation."""
    made.__name__ = made.__qualname__ = name
    arguments = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[2]
    made.__doc__ = f"{about}\n\n{arguments}"
    return made


def _lister(resource: str, about: str) -> Lister[Any]:
    def lister(
        address: str | None = None,
        filters: Filters = None,
        limit: int = DEFAULT_LIMIT,
        timeout: int = DEFAULT_RPC_TIMEOUT,
        detail: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
        raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
        _explain: bool = False,  # noqa: FBT001, FBT002
    ) -> list[Any]:
        del timeout, raise_on_missing_output
        client = StateApiClient(address)
        return client.list(resource, filters, limit, detail=detail, explain=_explain)

    return _named(lister, f"list_{resource}", about, Lister)


def _getter(resource: str, name: str, about: str) -> Getter[Any]:
    def getter(
        id: str,  # noqa: A002  (Ray's name)
        address: str | None = None,
        timeout: int = DEFAULT_RPC_TIMEOUT,
        _explain: bool = False,  # noqa: FBT001, FBT002  (as in Ray)
    ) -> Any:
        del timeout, _explain
        return StateApiClient(address).get(resource, id)

    return _named(getter, name, about, Getter)


def _summary(resource: str, about: str) -> Summary:
    def summary(
        address: str | None = None,
        timeout: int = DEFAULT_RPC_TIMEOUT,
        raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002  (as in Ray)
        _explain: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[str, Any]:
        del timeout, raise_on_missing_output, _explain
        return StateApiClient(address).summary(resource)

    return _named(summary, f"summarize_{resource}", about, Summary)


list_tasks: Lister[TaskState] = _lister(
    "tasks",
    "Return tasks: those that run and wait, then those that ended, the last ones first. At least "
    "the last 100,000 attempts of a session are known.",
)
list_actors: Lister[ActorState] = _lister(
    "actors", "Return actors: living ones first, then those that died, the last ones first."
)
list_objects: Lister[ObjectState] = _lister(
    "objects", "Return objects: a row for each holder of each of them, the largest first."
)
list_workers: Lister[WorkerState] = _lister("workers", "Return workers and drivers.")
list_nodes: Lister[NodeState] = _lister("nodes", "Return the machine.")
list_jobs: Lister[JobState] = _lister("jobs", "Return the drivers that are in the session.")
list_placement_groups: Lister[PlacementGroupState] = _lister(
    "placement_groups", "Return the placement groups that are not removed."
)
list_runtime_envs: Lister[RuntimeEnvState] = _lister(
    "runtime_envs", "Return the environments that workers have."
)

get_task: Getter[TaskState | list[TaskState] | None] = _getter(
    "tasks",
    "get_task",
    "Return the task with this id, a list if it was tried often, None if there is none.",
)
get_actor: Getter[ActorState | None] = _getter(
    "actors", "get_actor", "Return the actor with this id, None if there is none."
)
get_objects: Getter[list[ObjectState]] = _getter(
    "objects", "get_objects", "Return the holders of the object with this id, a row each."
)
get_worker: Getter[WorkerState | None] = _getter(
    "workers", "get_worker", "Return the worker with this id, None if there is none."
)
get_node: Getter[NodeState | None] = _getter(
    "nodes", "get_node", "Return the node with this id, None if there is none."
)
get_job: Getter[JobState | None] = _getter(
    "jobs", "get_job", "Return the job with this id, None if there is none."
)
get_placement_group: Getter[PlacementGroupState | None] = _getter(
    "placement_groups",
    "get_placement_group",
    "Return the placement group with this id, None if there is none.",
)

summarize_tasks = _summary("tasks", "Count tasks by name and state: all there were, exactly.")
summarize_actors = _summary("actors", "Count actors by class and state.")
summarize_objects = _summary("objects", "Count objects by where they were made.")


def list_logs(
    address: str | None = None,
    node_id: str | None = None,
    node_ip: str | None = None,
    glob_filter: str | None = None,
    timeout: int = DEFAULT_RPC_TIMEOUT,
) -> dict[str, list[str]]:
    """Return the names of the session's log files, by category."""
    del node_id, node_ip, timeout
    return logs.log_files(queries.session_at(address), glob_filter or "*")


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
    session = queries.session_at(address)
    if submission_id is not None:
        raise RayStateApiException("Output of submitted jobs: see JobSubmissionClient.")
    if filename is None:
        process = pid or queries.process_of(session, actor_id, task_id, attempt_number)
        filename = logs.file_of_process(session, process, suffix)
    pieces = logs.read_log(session, filename, tail=tail, follow=follow)
    if encoding is None:
        yield from pieces
    else:
        yield from logs.decoded(pieces, encoding, errors or "strict", plain=filter_ansi_code)
