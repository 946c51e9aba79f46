"""Local mode: tasks and actors run in the driver, when they are submitted.

For debugging: a breakpoint in a task stops the program, `print` prints, a traceback has the frames
of caller and task, and nothing runs beside them. The store is the real one, so that arguments and
results are copied, counted and read-only as always; a submitted task is in the tables as well, but
this process takes it at once, whatever resources it asks for. What differs from workers:

    one process      globals, the current directory and the environment are the program's
    one at a time    a call has ended when `.remote()` returns; `max_concurrency` has no effect
    generators       run as far as somebody asks for items
    async actors     run on an event loop, each on a thread of its own, as they do elsewhere; what
                     waits for their results runs on a thread when these are there
    Ctrl-C, `q`      in the debugger: go through to the program
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyray import _core, streams
from pyray.actor_handle import actor_id_of
from pyray.core_engine import OF_TASK, UNIT, UNKNOWN, CoreEngine, results_of
from pyray.descriptors import above_standard
from pyray.errors.task_error import RayTaskError
from pyray.exceptions import RaySystemError, ReferenceCountingAssertionError
from pyray.local_mode.actors import InlineActor
from pyray.local_mode.calls import InlineGenerator, Run
from pyray.node import spill
from pyray.observability.unread import MOST_AT_END
from pyray.worker import actor_life

if TYPE_CHECKING:
    from pyray._core import ObjectRef
    from pyray.engine import ActorPlan, TaskSpec
    from pyray.node.local_engine import LocalConfig

logger = logging.getLogger("pyray")

SWEEP_EVERY = 64
"""After so many calls: forget code that nobody refers to."""

ORIGINS = 8
"""So many exceptions of tasks are kept with their frames."""

_exported: dict[int, Callable[..., Any]] = {}


def _exported_code(number: int) -> Callable[..., Any]:
    return _exported[number]


class _Kept:
    """Stands for exported code in the store: it is here, in this process."""

    def __init__(self, code: Callable[..., Any]) -> None:
        self.number = id(code)
        _exported[self.number] = code

    def __reduce__(self) -> tuple[Any, ...]:
        return _exported_code, (self.number,)


class _Submitter:
    """See `pyray.engine.Submitter`."""

    def __init__(
        self, engine: InlineEngine, template: _core.Template, begin: Callable[[Run], object]
    ) -> None:
        self.engine, self.template, self.begin = engine, template, begin
        self.returns_nothing = False

    @property
    def is_current(self) -> bool:
        return self.template.is_current

    def submit(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        result = self.template.submit(args, kwargs)
        self.engine.launch(result, args, kwargs, self.begin)
        return None if self.returns_nothing else result


class _ActorSubmitter(_Submitter):
    """Makes actors."""

    def __init__(
        self,
        engine: InlineEngine,
        template: _core.Template,
        cls: Callable[..., Any],
        plan: ActorPlan,
    ) -> None:
        super().__init__(engine, template, lambda _run: None)
        self.cls, self.plan = cls, plan

    def submit(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        handle, actor = self.engine.new_actor(self.cls, self.plan)
        created = self.template.submit(args, kwargs)
        self.engine.launch(created, args, kwargs, actor.construct)
        with contextlib.suppress(Exception):  # its calls raise it: nobody need be told twice
            _core.get_one(created, 0)
        return handle, created


class InlineEngine(CoreEngine):
    """See `pyray.engine.Engine` and the head of this module.

    Args:
        config: As for workers; of use are store, resources, labels and namespace.
    """

    def __init__(self, config: LocalConfig) -> None:
        self._doorbell = above_standard(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        units = {name: round(amount * UNIT) for name, amount in config.resources.items()}
        cpus = max(1, int(config.resources.get("CPU", 1)))
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, self._doorbell)
            undo.callback(_core.close_session)
            _core.create_session(
                config.object_store_bytes,
                cpus,
                1,
                {**units, UNKNOWN: 0},
                self._doorbell,
                (config.restart_limit, config.restart_window_ms),
            )
            super().__init__()
            self._spill = spill.make(config.spill_directory)
            undo.pop_all()
        _core.set_spill_directory(self._spill.fd, self._spill.path, self._spill.problem)
        _core.set_method_lookup(actor_life.find_method)
        _core.set_generator_classes(InlineGenerator, streams.DynamicObjectRefGenerator)
        self._labels, self.runtime_env = config.labels, config.runtime_env
        self._code: dict[tuple[int, int], Callable[..., Any]] = {}
        self._origins: dict[tuple[int, int], BaseException] = {}
        self._actors: dict[tuple[int, int], InlineActor] = {}
        self._launched = 0
        self.get, self.get_many = self._get, self._get_many  # type: ignore[assignment]
        self.find_actor, self.actor_names = self._find_actor, self._actor_names

    # ---- running ----

    def launch(
        self,
        result: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        begin: Callable[[Run], object],
    ) -> None:
        """Run what was submitted: now, or when its arguments are there."""
        self._sweep()
        generator = result if isinstance(result, InlineGenerator) else None
        first = generator.completion if generator is not None else result
        if isinstance(first, list):
            first = first[0]
        call = _core.take_here(first, Run.translate)
        if call is not None:
            begin(Run(self, call, first, generator))
            return
        awaited = [one for one in (*args, *kwargs.values()) if type(one) is _core.ObjectRef]
        thread = threading.Thread(
            target=self._launch_later, args=(first, awaited, generator, begin), daemon=True
        )
        thread.start()

    def _launch_later(
        self,
        first: ObjectRef,
        awaited: list[ObjectRef],
        generator: InlineGenerator | None,
        begin: Callable[[Run], object],
    ) -> None:
        with contextlib.suppress(RaySystemError):  # the session ended meanwhile
            awaited = list(dict.fromkeys(awaited))
            _core.wait(awaited, len(awaited), None)
            call = _core.take_here(first, Run.translate)
            if call is not None:  # it was not cancelled
                begin(Run(self, call, first, generator))

    def _sweep(self) -> None:
        """End actors whose last handle is gone; forget what nobody refers to."""
        for key, actor in list(self._actors.items()):
            if not actor.is_ending and _is_gone(key):
                actor.end_gracefully()
                del self._actors[key]
        self._launched += 1
        if self._launched % SWEEP_EVERY == 0:
            _core.clean_spill_files()
            for key in [one for one in self._code if _is_gone(one)]:
                del self._code[key]

    # ---- the interface ----

    def _get(self, ref: ObjectRef, timeout_s: Any, /) -> Any:
        try:
            return _core.get_one(ref, timeout_s)
        except RayTaskError as error:
            self._tell_origin(error, [ref])
            raise

    def _get_many(self, refs: list[ObjectRef], timeout_s: Any, /) -> list[Any]:
        try:
            return _core.get_many(refs, timeout_s)
        except RayTaskError as error:
            self._tell_origin(error, refs)
            raise

    def _tell_origin(self, error: RayTaskError, refs: list[ObjectRef]) -> None:
        """Have the traceback begin with the task's own frames, where it is raised first.

        The frames keep what they hold, so they belong to the exception from then on.
        """
        found = (self._origins.pop(_core.ref_key(ref), None) for ref in refs)
        origin = next(filter(None, found), None)
        if origin is not None:
            error.__cause__ = origin

    def note_origin(self, key: tuple[int, int], error: BaseException) -> None:
        """Keep what a task raised, with its frames, until somebody gets it: a few of them."""
        self._origins[key] = error
        if len(self._origins) > ORIGINS:
            del self._origins[next(iter(self._origins))]

    def export(self, code: Callable[..., Any], key: Any) -> ObjectRef:
        """Keep a function or class: it is called as it is."""
        ref = _core.put((key, _Kept(code)))
        self._code[_core.ref_key(ref)] = code
        return ref

    def task(self, code: ObjectRef, spec: TaskSpec, *, borrowed: bool) -> _Submitter:
        """Prepare calls of an exported function."""
        function = self._code[_core.ref_key(code)]
        return self._submitter(code, spec, lambda run: run.call_function(function), borrowed)

    def actor(
        self, code: ObjectRef, spec: TaskSpec, plan: ActorPlan, *, borrowed: bool
    ) -> _Submitter:
        """Prepare the creation of actors."""
        template = _core.Template(
            code,
            spec.name,
            1,
            self._shape(spec),
            0,
            borrowed=borrowed,
            label=_core.label(OF_TASK, spec.name),
        )
        return _ActorSubmitter(self, template, self._code[_core.ref_key(code)], plan)

    def actor_method(
        self, handle: ObjectRef, method: str, spec: TaskSpec, *, borrowed: bool
    ) -> _Submitter:
        """Prepare calls of one method of one actor."""
        actor = self._actors[_core.ref_key(handle)]
        return self._submitter(handle, spec, actor.call, borrowed, method, actor.limit(spec))

    def _submitter(  # noqa: PLR0913, PLR0917  (what a template needs)
        self,
        code: ObjectRef,
        spec: TaskSpec,
        begin: Callable[[Run], object],
        borrowed: bool,  # noqa: FBT001
        method: str | None = None,
        stream_limit: int = 0,  # who runs when it is asked for an item never waits for room
    ) -> _Submitter:
        returns_nothing = spec.num_returns == 0
        spec = replace(
            spec, num_returns=1 if returns_nothing else spec.num_returns, stream_limit=stream_limit
        )
        template = _core.Template(
            code,
            spec.name,
            shape=self._shape(spec),
            retries=spec.max_retries,
            borrowed=borrowed,
            method=method,
            label=_core.label(OF_TASK, spec.name),
            **results_of(spec),
        )
        submitter = _Submitter(self, template, begin)
        submitter.returns_nothing = returns_nothing
        return submitter

    def _shape(self, spec: TaskSpec) -> int:
        if spec.runtime_env and "runtime_env" not in self._warned:
            self._warned.add("runtime_env")
            logger.warning("local_mode: runtime_env of tasks and actors has no effect.")
        return super()._shape(replace(spec, runtime_env={}))

    def _warn_infeasible(self, spec: TaskSpec, *, unmet: bool) -> None:
        """All can run here."""

    def new_actor(self, cls: Callable[..., Any], plan: ActorPlan) -> tuple[ObjectRef, InlineActor]:
        """Register an actor, not yet constructed."""
        self._sweep()
        actor = InlineActor(self, cls, plan)
        if plan.name is not None and self._find_actor(plan.namespace, plan.name) is not None:
            raise actor.name_is_taken()
        handle = _core.put(("actor", id(actor)))
        actor.key, actor.id = _core.ref_key(handle), actor_id_of(handle).hex()
        if plan.is_detached:
            actor.kept = handle
        self._actors[actor.key] = actor
        return handle, actor

    def _find_actor(self, namespace: str, name: str) -> tuple[tuple[int, int], ObjectRef] | None:
        for key, actor in self._actors.items():
            plan = actor.plan
            if (plan.namespace, plan.name) == (namespace, name) and actor.is_there():
                if plan.about is None or _is_gone(key):
                    continue
                return key, plan.about
        return None

    def _actor_names(self) -> list[tuple[str, str]]:
        return [
            (actor.plan.namespace, actor.plan.name)
            for key, actor in self._actors.items()
            if actor.plan.name is not None and actor.is_there() and not _is_gone(key)
        ]

    def kill(self, handle: ObjectRef, *, no_restart: bool) -> None:
        """End an actor."""
        self._actors[_core.ref_key(handle)].kill(no_restart=no_restart)

    def cancel(self, ref: ObjectRef, *, force: bool, recursive: bool) -> None:
        """Cancel what has not begun, or awaits something."""
        _core.cancel_task(ref, force=force, recursive=recursive)
        loops = [actor.loop for actor in self._actors.values() if actor.loop is not None]
        running = {call: loop for loop in loops for call in list(loop.running)}
        for call in _core.newly_cancelled(running):
            running[call].cancel_soon(call)

    def shutdown(self) -> None:
        """End the actors and the session."""
        for actor in list(self._actors.values()):
            actor.end_gracefully()
        self._actors.clear()
        self._origins.clear()
        _core.report_all_unread(MOST_AT_END)
        self._spill.remove()
        _core.end_session()
        self.forget()

    def forget(self) -> None:
        """Let go of the session."""
        self._code.clear()
        _exported.clear()
        _core.set_generator_classes(streams.ObjectRefGenerator, streams.DynamicObjectRefGenerator)
        _core.close_session()
        self._spill.close()
        with contextlib.suppress(OSError):  # closed already, as daemons do with all
            os.close(self._doorbell)


def _is_gone(key: tuple[int, int]) -> bool:
    try:
        _core.load_ref(*key)
    except ReferenceCountingAssertionError:
        return True
    return False
