"""Actors in local mode: objects of the driver's process. See `pyray.local_mode.engine`."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyray import _core
from pyray.errors.failures import ActorNames, Cause, exception_of
from pyray.exceptions import ActorAlreadyExistsError, ActorDiedError, RaySystemError
from pyray.local_mode.calls import Run, exit_status
from pyray.worker.actor_life import shut_down_instance, wants_to_leave
from pyray.worker.actor_loops import EventLoop

if TYPE_CHECKING:
    from pyray._core import Call, ObjectRef
    from pyray.engine import ActorPlan, TaskSpec
    from pyray.local_mode.engine import InlineEngine


class InlineActor:
    """An actor whose calls run in the thread that makes them, or on an event loop.

    Args:
        engine: The engine of the process.
        cls: The user's class.
        plan: As its creator gave it.
    """

    def __init__(self, engine: InlineEngine, cls: Callable[..., Any], plan: ActorPlan) -> None:
        self.engine, self.cls, self.plan = engine, cls, plan
        self.key = (0, 0)
        self.id = ""
        self.kept: ObjectRef | None = None  # of a detached one
        self.restarts_left = plan.max_restarts
        self.instance: Any = None
        self.error: Exception | None = None  # why it is dead
        self.is_ending = False
        self.lock = threading.RLock()  # calls come from several threads
        self.making: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        settings = json.loads(plan.settings) if plan.settings else {}
        self.loop: InlineLoop | None = None
        if settings.get("loop") == "async":
            self.loop = InlineLoop(sum(settings["limits"]), self._translate)

    def is_there(self) -> bool:
        """Return whether it can be called."""
        return self.error is None and not self.is_ending

    def limit(self, spec: TaskSpec) -> int:
        """Return how many items of a method's stream may wait to be taken."""
        return spec.stream_limit if self.loop is not None else 0

    def name_is_taken(self) -> Exception:
        """Return the error for a second actor of the same name; its caller finds the words."""
        return ActorAlreadyExistsError(f"the name {self.plan.name} is taken")

    # ---- calls ----

    def construct(self, run: Run) -> None:
        """Make the instance."""
        self._enter(run.call)

        def prepare() -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
            args, kwargs = run.call.arguments()
            if self.restarts_left:
                self.making = (args, kwargs)
            return self._make, args, kwargs

        with self.lock:
            run.perform(prepare, self._constructor_failed)

    def _make(self, *args: Any, **kwargs: Any) -> None:
        if self.loop is not None:
            self.instance = self.loop.make(self.cls, args, kwargs)
        else:
            self.instance = self.cls(*args, **kwargs)

    def _constructor_failed(self, error: BaseException, task_name: str) -> Exception:
        failure = Run.translate(error, task_name)
        self.error = self._death(Cause.ACTOR_CREATION, task_name, detail=failure)
        return failure

    def call(self, run: Run) -> None:
        """Run a call, or have it run by the event loop."""
        if self.loop is not None and self.is_there():
            self._enter(run.call)
            self.loop.start_soon(run.call)
            return
        with self.lock:
            self._enter(run.call)
            run.perform(self._prepared(run.call), self._translate)

    def _prepared(
        self, call: Call
    ) -> Callable[[], tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]:
        def prepare() -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
            if self.error is not None:
                raise self.error
            return call.unpack()

        return prepare

    def _enter(self, call: Call) -> None:
        """Have the call know whose it is; it keeps no handle."""
        with contextlib.suppress(Exception):  # the last handle has gone: it ends soon
            call.handle = _core.load_ref(*self.key)
        call.instance = self.instance

    def _translate(self, error: BaseException, task_name: str) -> Exception:
        if self.error is not None:
            return self.error
        if isinstance(error, SystemExit):
            return self._leave(error, task_name)
        failure = Run.translate(error, task_name)
        if _core.is_leaving():
            self._leave(SystemExit(0), task_name)
        return failure

    def _leave(self, error: SystemExit, task_name: str) -> Exception:
        if wants_to_leave(error):
            shut_down_instance(self.instance)
            self.error = self._death(Cause.ACTOR_EXITED, task_name)
            return self.error
        died = self._death(Cause.ACTOR_DIED, task_name, exit_status(error))
        if not self._restart():
            self.error = died
        return died

    def _death(
        self, cause: Cause, name: str, wait_status: int = 0, detail: Exception | None = None
    ) -> Exception:
        who = ActorNames(self.id, self.plan.namespace, self.plan.name or "")
        return exception_of(cause, os.getpid(), wait_status, 0, name, detail, who)

    # ---- ends ----

    def kill(self, *, no_restart: bool) -> None:
        """End it at once; what it runs asynchronously fails."""
        name = f"{self.cls.__name__}.kill"
        self.error = self._death(Cause.ACTOR_KILLED, name)
        if self.loop is not None:
            self.loop.cancel_all()
        if not no_restart and self._restart():
            self.error = None

    def _restart(self) -> bool:
        if self.restarts_left == 0:
            return False
        self.restarts_left -= self.restarts_left > 0
        args, kwargs = self.making
        try:
            self._make(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  (callers get it)
            self._constructor_failed(error, f"{self.cls.__name__}.__init__")
            return False
        return True

    def end_gracefully(self) -> None:
        """Its last handle is gone, or the session ends."""
        if self.is_ending:
            return
        self.is_ending = True
        if self.error is None and self.instance is not None:
            shut_down_instance(self.instance)
        self.instance, self.making = None, ((), {})
        if self.error is None:
            self.error = ActorDiedError(reason="It has ended: its last handle is gone.")
        if self.loop is not None:
            self.loop.end()


class InlineLoop(EventLoop):
    """An actor's event loop, on a thread of its own.

    Args:
        limit: How many calls may run at a time.
        translate: Makes the error of a call that failed.
    """

    def __init__(self, limit: int, translate: Callable[[BaseException, str], Exception]) -> None:
        self.limit = limit
        self.translate = translate
        self.waiting: collections.deque[Call] = collections.deque()
        self.is_up = threading.Event()
        self.thread = threading.Thread(target=self._serve, name="pyray-loop", daemon=True)
        self.thread.start()
        self.is_up.wait()

    def _serve(self) -> None:
        super().__init__([self.limit])
        self.loop.call_soon(self.is_up.set)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def make(self, cls: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the instance on the loop, so that it may make tasks."""
        import asyncio
        from contextvars import copy_context

        async def construct() -> Any:
            return cls(*args, **kwargs)

        context = copy_context()
        return context.run(asyncio.run_coroutine_threadsafe, construct(), self.loop).result()

    def start_soon(self, call: Call) -> None:
        """Run a call when there is room for it."""
        self.loop.call_soon_threadsafe(self._start_or_wait, call)

    def _start_or_wait(self, call: Call) -> None:
        if self.free[0] > 0:
            self._start(call)
        else:
            self.waiting.append(call)

    def settle(self, call: Call, error: BaseException) -> bool:
        """Store a call's error."""
        call.fail(self.translate(error, call.task_name))
        return True

    def _pump_soon(self) -> None:
        ended, self.ended = self.ended, []
        for call in ended:
            with contextlib.suppress(RaySystemError):  # the session is gone
                _core.finish_here(call)
        while self.waiting and self.free[0] > 0:
            self._start(self.waiting.popleft())

    def cancel_soon(self, call: Call) -> None:
        """Cancel a running call."""
        task = self.running.get(call)
        if task is not None:
            self.loop.call_soon_threadsafe(task.cancel)

    def cancel_all(self) -> None:
        """Cancel all running calls, and return when they have ended."""
        import asyncio

        async def cancel() -> None:
            tasks = [*self.running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while self.waiting:
                self._start(self.waiting.popleft())

        if threading.current_thread() is self.thread:
            self.loop.create_task(cancel())
        else:
            asyncio.run_coroutine_threadsafe(cancel(), self.loop).result(5)

    def end(self) -> None:
        """End the loop and its thread."""
        if threading.current_thread() is self.thread:
            self.loop.call_soon(self.loop.stop)
            return
        self.cancel_all()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
