"""The engine over the compiled core: what drivers and workers of a session have in common."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyray import _core, call_sites, profiling, runtime, serialization, settings
from pyray.demands import labels_match
from pyray.engine import Placement
from pyray.errors import failures
from pyray.observability import unread
from pyray.runtime_env import merged, validated
from pyray.settings import LABELS, METRICS_FOLDER, SESSION_FOLDER

if TYPE_CHECKING:
    from pyray._core import ObjectRef
    from pyray.engine import ActorPlan, Submitter, TaskSpec

OF_TASK, OF_CREATION, OF_CALL = 1, 2, 3
"""`enum pr_label_kind` in csrc/engine/labels.h."""

logger = logging.getLogger("pyray")

UNIT = 10_000
"""Amounts of resources are kept in 1/10000."""
MOST_UNITS = 1 << 62
STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")
"""In the order of `enum pr_placement_strategy` in csrc/engine/engine.h."""
UNKNOWN = "(unknown)"
"""The resource that stands for all that the machine does not have; its total is 0."""

_core.set_failure_translator(failures.exception_of)
_core.set_value_errors(failures.unreadable, serialization.not_serializable)
_core.set_discovery(serialization.discover)
_core.set_unread_reporter(unread.report)


@dataclass(frozen=True, slots=True)
class Home:
    """Where workers of a driver that has joined are at home: as it is.

    Args:
        path: The driver's sys.path.
        folder: Its current directory.
        namespace: Where its named actors are.
    """

    path: list[str]
    folder: str
    namespace: str

    def enter(self) -> None:
        """Be there."""
        sys.path[:] = self.path
        with contextlib.suppress(OSError):  # gone meanwhile: stay where we are
            os.chdir(self.folder)
        runtime.set_namespace(self.namespace)


def results_of(spec: TaskSpec) -> dict[str, Any]:
    """Return what a template must know of the results that a call has."""
    if isinstance(spec.num_returns, int):
        return {"num_returns": spec.num_returns}
    streams = spec.num_returns == "streaming"
    return {
        "num_returns": 1,
        "streams": streams,
        "stream_limit": spec.stream_limit,
        "dynamic": not streams,
    }


class CoreEngine:
    """See `pyray.engine.Engine`. For a process whose core has been opened as part of a session."""

    def __init__(self) -> None:
        self.put = _core.put
        self.get = _core.get_one
        self.get_many = _core.get_many
        self.wait = _core.wait
        self._observe_calls()
        self.find_actor = _core.find_actor
        self.actor_names = _core.actor_names
        self.graph = _core.Graph
        self.poison_graph = _core.poison_graph
        self.receiver = _core.Receiver
        self.sender = _core.Sender
        self._indices = {name: index for index, name in enumerate(_core.resources())}
        self._warned: set[str] = set()
        self._records = settings.TASK_EVENTS.value() == "1"
        self.runtime_env: dict[str, Any] = {}
        self._own_environment = 0  # the first job's
        self._home: Home | None = None
        self._environments: dict[bytes, int] = {}
        self._labels: dict[str, str] = json.loads(LABELS.text() or "{}")

    def _observe_calls(self) -> None:
        """Note spans and sites where that is asked for: otherwise calls cost nothing more."""
        self._sites = call_sites.Sites() if call_sites.is_on() else None
        if profiling.is_on():
            self.put = profiling.noted("ray.put", self.put)
            self.get = profiling.noted("ray.get", self.get)
            self.get_many = profiling.noted("ray.get", self.get_many)
            self.wait = profiling.noted("ray.wait", self.wait)
        if self._sites is not None:
            self.put = self._sites.marked(self.put)

    def _marked(self, submitter: Submitter) -> Submitter:
        if self._sites is None:
            return submitter
        return call_sites.MarkedSubmitter(submitter, self._sites)

    def export(self, code: Callable[..., Any], key: Any) -> ObjectRef:
        """Store a function or class for workers to run."""
        return serialization.export(code, key)

    def task(self, code: ObjectRef, spec: TaskSpec, *, borrowed: bool) -> Submitter:
        """Prepare calls of an exported function."""
        shape = self._shape(spec)
        template = _core.Template(
            code,
            spec.name,
            shape=shape,
            retries=spec.max_retries,
            borrowed=borrowed,
            placement=(spec.placement or (0, 0))[:2],
            captures=spec.captures,
            inherits=spec.inherits,
            label=_core.label(OF_TASK, spec.name),
            records=spec.records and self._records,
            **results_of(spec),
        )
        return self._marked(template)

    def actor(
        self, code: ObjectRef, spec: TaskSpec, plan: ActorPlan, *, borrowed: bool
    ) -> Submitter:
        """Prepare the creation of actors."""
        template = _core.Template(
            code,
            spec.name,
            1,
            self._shape(spec),
            0,
            method=plan.settings,
            creates_actor=True,
            keeps_resources=plan.keeps_resources,
            borrowed=borrowed,
            placement=(spec.placement or (0, 0))[:2],
            captures=spec.captures,
            inherits=spec.inherits,
            label=_core.label(OF_CREATION, spec.name),
            records=spec.records and self._records,
        )
        template.plan_actor(
            plan.namespace,
            plan.name,
            plan.about,
            detached=plan.is_detached,
            out_of_order=plan.out_of_order,
            groups=plan.groups,
            restarts=plan.max_restarts,
        )
        return self._marked(template)

    def actor_method(
        self, handle: ObjectRef, method: str, spec: TaskSpec, *, borrowed: bool
    ) -> Submitter:
        """Prepare calls of one method of one actor."""
        template = _core.Template(
            handle,
            spec.name,
            shape=self._shape(spec),
            retries=spec.max_retries,
            actor=handle,
            method=method,
            group=spec.group,
            most_calls=spec.most_calls,
            borrowed=borrowed,
            label=_core.label(OF_CALL, spec.name),
            records=spec.records and self._records,
            **results_of(spec),
        )
        return self._marked(template)

    def _shape(self, spec: TaskSpec) -> int:
        demand = self._units(spec.resources)
        unmet = not labels_match(spec.label_selector, self.labels())
        if unmet:
            demand[self._indices[UNKNOWN]] = UNIT
        environment = self._environment_number(spec.runtime_env)
        group, _, bundle = spec.placement or (0, 0, -1)
        shape, feasible = _core.resource_class(demand, environment, group, bundle + 1)
        if not feasible:
            self._warn_infeasible(spec, unmet=unmet)
        return shape

    def enter_environment(self, job: Mapping[str, Any], job_description: Mapping[str, Any]) -> None:
        """In a worker: be set up as the job, or this worker's own environment, asks for.

        Args:
            job: The job's runtime_env.
            job_description: The same as `pyray.environments.setup.describe` returned it.

        Raises:
            RuntimeEnvSetupError: If that fails.
        """
        self.runtime_env = dict(job)
        mine = _core.my_environment()
        if mine is None and not job_description:
            return
        from pyray.environments import setup

        if mine is not None:
            self._own_environment, (self.runtime_env, description, self._home) = mine
            if self._home is not None:
                self._home.enter()
            setup.enter(description)
        else:
            setup.enter(job_description)

    def _environment_number(self, wanted: Mapping[str, Any]) -> int:
        """Return the environment of a task: this process's, or that with the task's own wishes."""
        if not wanted:
            return self._own_environment
        return self._environment_of(merged(self.runtime_env, validated(wanted)))

    def _environment_of(self, env: dict[str, Any]) -> int:
        from pyray.environments import notes, setup

        description = setup.describe(env)
        digest = setup.digest_of(description)
        if digest not in self._environments:
            ref = _core.put((env, description, self._home))
            number = self._environments[digest] = _core.environment_of(digest, ref)
            notes.write(self._notes_folder(), number, env)
        return self._environments[digest]

    def _notes_folder(self) -> str:
        """Return the session's folder; "" if it has none."""
        return SESSION_FOLDER.text()

    def _units(self, resources: Mapping[str, float]) -> dict[int, int]:
        demand: dict[int, int] = {}
        for name, amount in resources.items():
            index = self._indices.get(name, self._indices[UNKNOWN])
            if units := min(round(amount * UNIT), MOST_UNITS):
                demand[index] = min(demand.get(index, 0) + units, MOST_UNITS)
        return demand

    def create_placement(
        self, bundles: Sequence[Mapping[str, float]], strategy: str, name: str, *, detached: bool
    ) -> tuple[int, int]:
        """Make a placement group; its index and generation. A detached one outlives its job."""
        units = [self._units(bundle) for bundle in bundles]
        return _core.placement_new(STRATEGIES.index(strategy), name, units, detached=detached)

    def remove_placement(self, index: int, generation: int) -> None:
        """Remove a placement group; kill what runs in it."""
        _core.placement_remove(index, generation)

    def placement(self, index: int) -> Placement | None:
        """Describe a placement group."""
        found = _core.placement_read(index)
        if found is None:
            return None
        generation, state, strategy, job, name, demands = found
        names = list(self._indices)
        bundles = [
            {names[one]: units / UNIT for one, units in demand.items()} for demand in demands
        ]
        return Placement(index, generation, job, state, STRATEGIES[strategy], name, bundles)

    def placements(self) -> list[Placement]:
        """Describe all placement groups."""
        found = map(self.placement, _core.placement_indices())
        return [one for one in found if one is not None]

    def current_placement(self) -> tuple[int, int, bool] | None:
        """Return the group of the current task or actor, and whether it captures its tasks."""
        return _core.current_placement()

    def failed(self, error: Exception) -> ObjectRef:
        """Return a reference whose value is an error."""
        return _core.put_error(error)

    def _warn_infeasible(self, spec: TaskSpec, *, unmet: bool) -> None:
        totals = {name: total for name, (total, _) in self.resources().items()}
        lacks = [
            f"{amount:g} of {name!r} (there is {totals.get(name, 0):g})"
            for name, amount in spec.resources.items()
            if amount > totals.get(name, 0)
        ]
        if unmet:
            lacks.append(f"a machine with labels {dict(spec.label_selector)}")
        text = (
            f"{spec.name} can never run here and stays pending: it needs {', '.join(lacks)}. "
            "What there is, ray.init() was told."
        )
        if text not in self._warned:
            self._warned.add(text)
            logger.warning(text)

    def labels(self) -> dict[str, str]:
        """Return the labels of this machine."""
        return {"ray.io/node-id": f"{_core.nonce():056x}", **self._labels}

    def kill(self, handle: ObjectRef, *, no_restart: bool) -> None:
        """End an actor's process at once."""
        _core.kill_actor(handle, no_restart=no_restart)

    def cancel(self, ref: ObjectRef, *, force: bool, recursive: bool) -> None:
        """Cancel the task that produces `ref`."""
        _core.cancel_task(ref, force=force, recursive=recursive)

    def resources(self) -> dict[str, tuple[float, float]]:
        """Return (total, free) by resource name."""
        store = _core.store_stats()
        capacity, used = store["capacity_bytes"], store["used_bytes"]
        return {
            "object_store_memory": (float(capacity), float(capacity - used)),
            **{
                name: (total / UNIT, free / UNIT)
                for name, (total, free) in _core.resources().items()
                if name != UNKNOWN
            },
        }

    def nodes(self) -> Sequence[dict[str, Any]]:
        """Describe this machine."""
        return [
            {
                "NodeID": f"{_core.nonce():056x}",
                "Alive": True,
                "NodeManagerAddress": "127.0.0.1",
                "NodeManagerHostname": os.uname().nodename,
                "NodeName": "127.0.0.1",
                "Resources": {name: total for name, (total, _) in self.resources().items()},
                "Labels": self.labels(),
                "alive": True,
            }
        ]

    def session_folder(self) -> str:
        """Return a directory of the session; in a worker, which has been told."""
        return METRICS_FOLDER.text()

    def store_stats(self) -> dict[str, int]:
        """Return sizes in bytes and counts of the object store."""
        return _core.store_stats()

    def engine_stats(self) -> dict[str, int]:
        """Return counts of workers, queues and tasks so far."""
        return _core.engine_stats()

    def accounts(self) -> dict[str, int]:
        """Check every invariant and return what is in use."""
        return _core.audit()

    def shutdown(self) -> None:
        """A worker does not end the session it works for."""
