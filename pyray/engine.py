"""The seam between the public API and a runtime: everything above it knows only this interface.

The processes of a session implement it on the shared tables (`core_engine` and what extends it),
local mode in one process; an engine on a cluster can be one more. What is called once per task
(`Submitter.submit`) is an object prepared beforehand, so that the seam costs the hot path one
method call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pyray._core import ObjectRef


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What a task asks for, apart from its code and arguments.

    Args:
        name: Shown in logs and errors.
        num_returns: Number of results; "streaming": a stream of them; "dynamic": one, which holds
            references to all that the code yields.
        resources: Amounts by resource name, for as long as the task runs.
        max_retries: How often to run again after the death of a worker; -1 for ever.
        label_selector: Labels that the machine must have.
        runtime_env: What its worker is set up with, beside what this process's is.
        group: Number of the concurrency group of an actor's method.
        most_calls: So many calls of an actor may be unfinished; 0 for any number.
        stream_limit: Most items of a stream that wait to be taken; 0: no limit.
        placement: Placement group (index, generation), and number of its bundle; -1: any.
        captures: Whether tasks that it submits go to that group as well.
        inherits: Whether it goes to that group because the current task's tasks do.
        records: Whether its end is recorded for those who look at the session.
    """

    name: str
    num_returns: int | str = 1
    resources: Mapping[str, float] = field(default_factory=dict)
    max_retries: int = 3
    label_selector: Mapping[str, str] = field(default_factory=dict)
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    group: int = 0
    most_calls: int = 0
    stream_limit: int = 0
    placement: tuple[int, int, int] | None = None
    captures: bool = False
    inherits: bool = False
    records: bool = True


@dataclass(frozen=True, slots=True)
class ActorPlan:
    """What an actor is given when it is made.

    Args:
        name: A name to find it by, or None.
        namespace: The space of that name.
        about: What those who find it must know, in the store; needed with a name.
        is_detached: Whether it lives without handles.
        out_of_order: Whether a call may overtake earlier ones of its caller.
        groups: Number of concurrency groups beside the default one.
        max_restarts: How often its process is started again; -1 for ever.
        keeps_resources: Whether it keeps the resources of its creation while it lives.
        settings: For the process in which it lives; see `pyray.worker.actor_loops`.
    """

    name: str | None = None
    namespace: str = ""
    about: ObjectRef | None = None
    is_detached: bool = False
    out_of_order: bool = False
    groups: int = 0
    max_restarts: int = 0
    keeps_resources: bool = False
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """A placement group as the engine sees it.

    Args:
        index: Its place, and with `generation` its identity.
        generation: Distinguishes it from others that had the place.
        job: Number of the job that made it.
        state: "PENDING", "CREATED", "REMOVED" or "INFEASIBLE".
        strategy: As it was asked for.
        name: "" if it has none.
        bundles: Resources by name.
    """

    index: int
    generation: int
    job: int
    state: str
    strategy: str
    name: str
    bundles: list[dict[str, float]]


class Submitter(Protocol):
    """A call that is ready but for its arguments."""

    @property
    def is_current(self) -> bool:
        """Whether it belongs to the engine's present session."""

    def submit(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        """Send it off: an ObjectRef, a list, None, or a generator, as `num_returns` says."""


GraphKey = tuple[int, int]
"""Names a compiled graph, or a channel of one, in every process of the session."""


class Graph(Protocol):
    """The channels of a compiled graph, in the process that made it."""

    @property
    def key(self) -> GraphKey:
        """The graph's own key."""

    @property
    def channels(self) -> list[GraphKey]:
        """Those of its channels."""

    def close(self, timeout: float | None, *, force: bool = False) -> bool:
        """Have all readers stop, and wait until they have left unless `force`; False: not yet."""

    def failed(self) -> GraphKey | None:
        """Return the key of the handle of the actor whose death has closed the graph."""


class Receiver(Protocol):
    """The end of a channel where values come out."""

    @property
    def is_error(self) -> bool:
        """Whether the last value is an error that stands for one."""

    def receive(self, timeout: float | None = None) -> Any:
        """Return the next value; RayChannelError when the graph is closed."""

    def leave(self) -> None:
        """Read no more."""


class Sender(Protocol):
    """The end of some channels, which all get the same values."""

    def send(self, value: object, *, is_error: bool = False) -> None:
        """Put a value in; RayChannelError when the graph is closed."""


class Engine(Protocol):
    """A runtime that stores objects and runs tasks and actors."""

    runtime_env: dict[str, Any]
    """What this process was set up with."""

    def put(self, value: object, /) -> ObjectRef:
        """Store a value and return the first reference to it."""

    def get(self, ref: ObjectRef, timeout_s: float | None, /) -> Any:
        """Return one value, or raise the error that is in its place."""

    def get_many(self, refs: list[ObjectRef], timeout_s: float | None, /) -> list[Any]:
        """Return the values in order; raise at the first error there is."""

    def wait(
        self, refs: list[ObjectRef], num_returns: int, timeout_s: float | None, /
    ) -> tuple[list[ObjectRef], list[ObjectRef]]:
        """Return (ready, not ready)."""

    def export(self, code: Callable[..., Any], key: Any) -> ObjectRef:
        """Store a function or class for workers to run; it lives as long as its references.

        `key` names it in every process.
        """

    def task(self, code: ObjectRef, spec: TaskSpec, *, borrowed: bool) -> Submitter:
        """Prepare calls of an exported function; `borrowed`: without keeping it in the store."""

    def actor(
        self, code: ObjectRef, spec: TaskSpec, plan: ActorPlan, *, borrowed: bool
    ) -> Submitter:
        """Prepare the creation of actors; its `submit` returns (handle, result of the creation).

        `submit` raises ActorAlreadyExistsError when the name is taken.
        """

    def actor_method(
        self, handle: ObjectRef, method: str, spec: TaskSpec, *, borrowed: bool
    ) -> Submitter:
        """Prepare calls of one method of one actor; `borrowed`: without keeping the actor."""

    def find_actor(self, namespace: str, name: str) -> tuple[tuple[int, int], ObjectRef] | None:
        """Return the handle's (index, generation) and what its creator said, or None."""

    def actor_names(self) -> list[tuple[str, str]]:
        """Return (namespace, name) of every actor that has a name."""

    def kill(self, handle: ObjectRef, *, no_restart: bool) -> None:
        """End an actor's process at once."""

    def cancel(self, ref: ObjectRef, *, force: bool, recursive: bool) -> None:
        """Cancel the task that produces `ref`."""

    def create_placement(
        self, bundles: Sequence[Mapping[str, float]], strategy: str, name: str, *, detached: bool
    ) -> tuple[int, int]:
        """Make a placement group; its index and generation. A detached one outlives its job."""

    def remove_placement(self, index: int, generation: int) -> None:
        """Remove a placement group; kill what runs in it."""

    def placement(self, index: int) -> Placement | None:
        """Describe a placement group."""

    def placements(self) -> list[Placement]:
        """Describe all placement groups."""

    def current_placement(self) -> tuple[int, int, bool] | None:
        """Return the group of the current task or actor, and whether it captures its tasks."""

    def graph(self, count: int, /) -> Graph:
        """Make a compiled graph with so many channels."""

    def poison_graph(self, key: GraphKey, /) -> None:
        """Have everybody stop who works on a compiled graph."""

    def receiver(self, channel: GraphKey, /) -> Receiver:
        """Become the reader of a channel."""

    def sender(self, channels: list[GraphKey], /) -> Sender:
        """Become the writer of channels of one graph."""

    def failed(self, error: Exception) -> ObjectRef:
        """Return a reference whose value is an error."""

    def resources(self) -> dict[str, tuple[float, float]]:
        """Return (total, free) by resource name."""

    def nodes(self) -> Sequence[dict[str, Any]]:
        """Describe the machines of the session."""

    def session_folder(self) -> str:
        """Return a directory of the session, which ends with it; "": it has none."""

    def store_stats(self) -> dict[str, int]:
        """Return sizes in bytes and counts of the object store."""

    def engine_stats(self) -> dict[str, int]:
        """Return counts of workers, queues and tasks so far."""

    def accounts(self) -> dict[str, int]:
        """Check every invariant and return what is in use; raise SessionCorruptedError."""

    def shutdown(self) -> None:
        """End the session and everything that belongs to it."""
