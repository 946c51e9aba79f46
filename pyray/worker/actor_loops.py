"""How an actor runs many calls at a time: on threads, or on an event loop.

An actor of the plain kind does not: its process takes a call, runs it, takes the next. How it is,
its creator says in a text (JSON), `ActorClass._plan`: which loop, and how many calls may run at a
time in the default group and in each concurrency group.

Calls are taken from the mailbox only when they can start: what is queued stays in the tables, where
it can be cancelled, counted and survive this process.
"""

from __future__ import annotations

import inspect
import json
import os
import queue
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from typing import Any, ClassVar, NoReturn

from pyray import _core
from pyray.actor_handle import ActorInfo
from pyray.actor_methods import methods_of
from pyray.worker.actor_life import wants_to_leave

BATCH = 64
"""So many calls are taken at once."""

LOOK_S = 0.05
"""A busy event loop looks so often for calls that have been cancelled; an idle one at once."""

Translate = Callable[[BaseException, str], Exception]


class Runners:
    """The one loop of this process, once an actor that needs one is being made."""

    current: ThreadLoop | EventLoop | None = None
    settings: ClassVar[dict[str, Any]] = {}


def set_up(cls: type, settings: str) -> Callable[..., Any] | None:
    """Return what runs the constructor of an actor that runs many calls; None for a plain one."""
    given = Runners.settings = json.loads(settings) if settings else {}
    if not given.get("loop"):
        return None
    if given["loop"] == "async":
        loop = EventLoop(given["limits"])
        Runners.current = loop
        return lambda *args, **kwargs: loop.construct(cls, args, kwargs)
    Runners.current = ThreadLoop(given["limits"])
    return cls


def own_info(cls: type) -> ActorInfo:
    """Return what this process's actor, of this class, must say about itself in a handle."""
    given = Runners.settings
    return ActorInfo(
        cls.__name__,
        methods_of(cls),
        tuple(given.get("groups", ())),
        given.get("max_task_retries", 0),
        given.get("max_pending_calls", 0),
    )


def run(calls: list[_core.Call], translate: Translate, on_idle: Callable[[], object]) -> None:
    """Run the actor's calls until it ends, beginning with those that have been taken."""
    loop = Runners.current
    if loop is None:
        raise RuntimeError("set_up has not been called for this actor")
    loop.translate, loop.on_idle = translate, on_idle
    loop.run(calls)


class Loop:
    """What both kinds share.

    Args:
        limits: How many calls of each group may run at a time.
    """

    translate: Translate
    on_idle: Callable[[], object]

    def __init__(self, limits: list[int]) -> None:
        self.free = limits
        self.is_ending = False

    def count_running(self) -> int:
        """Count the calls that have begun and not ended."""
        raise NotImplementedError

    def settle(self, call: _core.Call, error: BaseException) -> bool:
        """Store a call's error; False: the process ends, and answers the call by that.

        While other calls run the end takes as long as they do, and whoever asked for it is told
        at once: they may wait for him.
        """
        try:
            if wants_to_leave(error):
                self._begin_end()
                if self.count_running() == 1:
                    return False
                call.leave()
                return True
            call.fail(self.translate(error, call.task_name))
            if call.is_leaving:
                self._begin_end()
        except BaseException as problem:  # noqa: BLE001  (whatever it is, the call would hang)
            _give_up(problem)
        return True

    def _begin_end(self) -> None:
        """Take no more calls; the process ends when those that run have ended."""
        self.is_ending = True
        _core.leave_actor()


def _exchange(ended: list[_core.Call], free: list[int], room: int) -> tuple[list[_core.Call], bool]:
    """End calls and take others; where the tables refuse, the process goes, not the calls."""
    try:
        return _core.exchange(ended, free, room)
    except BaseException as problem:  # noqa: BLE001  (whatever it is, the calls would hang)
        _give_up(problem)


def _give_up(problem: BaseException) -> NoReturn:
    """End this process: the sweep answers its callers, which nothing else would do."""
    traceback.print_exception(problem)
    os._exit(1)


# ---- threads -------------------------------------------------------------------------------------


class Group:
    """The threads of one concurrency group."""

    def __init__(self, number: int, groups: int, limit: int) -> None:
        self.only = [int(i == number) for i in range(groups)]
        self.limit = limit
        self.threads: list[threading.Thread] = []
        self.waiting = 0
        self.calls: queue.SimpleQueue[_core.Call | None] = queue.SimpleQueue()


class ThreadLoop(Loop):
    """Calls on threads, each of which takes the next call of its group when it has ended one.

    The main thread sleeps on the process's latch, and hands a call to an idle thread.
    """

    def __init__(self, limits: list[int]) -> None:
        super().__init__(limits)
        self.lock = threading.Lock()
        self.groups = [Group(i, len(limits), limit) for i, limit in enumerate(limits)]

    def count_running(self) -> int:
        """See `Loop`."""
        with self.lock:
            return sum(group.limit for group in self.groups) - sum(self.free)

    def run(self, calls: list[_core.Call]) -> None:
        """See `run` of the module."""
        for call in calls:
            self.free[call.group] -= 1
            self._start(call)
        while not self.is_ending:
            seen = _core.call_sequence()
            with self.lock:
                calls, is_leaving = _core.exchange([], self.free, BATCH)
                for call in calls:
                    self.free[call.group] -= 1
            for call in calls:
                self._start(call)
            if is_leaving:
                break
            if not calls:
                self.on_idle()
                _core.sleep_for_calls(seen)
        self._end()

    def _start(self, call: _core.Call) -> None:
        group = self.groups[call.group]
        with self.lock:
            is_new = group.waiting == 0
            group.waiting -= not is_new
        group.calls.put(call)
        if is_new:
            thread = threading.Thread(target=self._work, args=(group,), daemon=True)
            group.threads.append(thread)
            thread.start()

    def _work(self, group: Group) -> None:
        call = group.calls.get()
        while call is not None:
            is_settled = self._execute(call)
            if self.is_ending:
                _exchange([call] if is_settled else [], [], 0)
                with self.lock:
                    self.free[call.group] += 1
                _core.wake_sleeper()
                return
            calls, _ = _exchange([call], group.only, 1)
            if calls:
                call = calls[0]
                continue
            with self.lock:
                self.free[call.group] += 1
                group.waiting += 1
            _core.wake_sleeper()  # a call may have come since, and the main thread have passed it
            call = group.calls.get()

    def _execute(self, call: _core.Call) -> bool:
        _core.current_call.set(call)
        try:
            method, args, kwargs = call.unpack()
            call.store(method(*args, **kwargs))
            if call.is_cancelled:  # it could not be interrupted, but nobody wants its result
                call.cancel()
        except BaseException as error:  # noqa: BLE001  (the caller gets it)
            return self.settle(call, error)
        finally:
            _core.current_call.set(None)
        return True

    def _end(self) -> None:
        """What runs comes to its end; what is queued fails."""
        for group in self.groups:
            for _ in group.threads:
                group.calls.put(None)
        for group in self.groups:
            for thread in group.threads:
                thread.join()


# ---- an event loop -------------------------------------------------------------------------------


def _new_event_loop() -> Any:
    try:
        import uvloop
    except ImportError:
        import asyncio

        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _asynchronous(items: Iterator[Any]) -> AsyncIterator[Any]:
    """Yield the items, so that others run while the stream waits for room."""
    try:
        for item in items:
            yield item
    finally:
        if (close := getattr(items, "close", None)) is not None:
            close()


class EventLoop(Loop):
    """Calls as tasks of an event loop in the main thread, constructor included.

    A second thread sleeps on the process's latch while there is nothing to take. Calls are ended
    and taken in batches, once in an iteration of the loop.
    """

    def __init__(self, limits: list[int]) -> None:
        super().__init__(limits)
        import asyncio

        self.loop = _new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.cancelled_error = asyncio.CancelledError
        self.running: dict[_core.Call, Any] = {}
        self.roomless: dict[_core.Call, Any] = {}  # streams at their limit -> who waits for room
        self.next_look_s = 0.0
        self.ended: list[_core.Call] = []
        self.is_pumping = False
        self.is_listening = False
        self.seen = 0
        self.listen = threading.Semaphore(0)

    def count_running(self) -> int:
        """See `Loop`."""
        return len(self.running)

    def construct(self, cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the instance while the loop runs, so that it may make tasks."""

        async def make() -> Any:
            return cls(*args, **kwargs)

        return self.loop.run_until_complete(make())

    def run(self, calls: list[_core.Call]) -> None:
        """See `run` of the module."""
        listener = threading.Thread(target=self._listen, name="pyray-listener", daemon=True)
        listener.start()
        for call in calls:
            self._start(call)
        self._pump_soon()
        self.loop.run_forever()
        self.is_listening = True
        self.seen = -1
        self.listen.release()
        _core.wake_sleeper()
        listener.join()

    def _listen(self) -> None:
        while True:
            self.listen.acquire()
            if self.seen < 0:
                return
            _core.sleep_for_calls(self.seen)
            if self.seen < 0:
                return
            self.is_listening = False
            self.loop.call_soon_threadsafe(self._pump_soon)

    def _pump_soon(self) -> None:
        if not self.is_pumping:
            self.is_pumping = True
            self.loop.call_soon(self._pump)

    def _pump(self) -> None:
        self.is_pumping = False
        ended, self.ended = self.ended, []
        room = 0 if self.is_ending else BATCH
        seen = _core.call_sequence()
        calls, is_leaving = _exchange(ended, self.free, room)
        for call in calls:
            self._start(call)
        self._look_for_room()
        if self.running and (not calls or self.loop.time() >= self.next_look_s):
            self.next_look_s = self.loop.time() + LOOK_S
            for call in _core.newly_cancelled(self.running):
                # Not before it has begun: what is cancelled then never enters `_run`.
                self.loop.call_soon(self.running[call].cancel)
        if (is_leaving or self.is_ending) and not self.running:
            self.loop.stop()
        elif calls:
            self._pump_soon()
        elif not self.is_listening:
            self.on_idle()
            self.is_listening, self.seen = True, seen
            self.listen.release()

    def _start(self, call: _core.Call) -> None:
        self.free[call.group] -= 1
        context = copy_context()
        context.run(_core.current_call.set, call)
        self.running[call] = self.loop.create_task(self._run(call), context=context)

    async def _room(self, call: _core.Call) -> bool:
        """Wait until its stream has room for another item; False: nobody wants more."""
        room = call.room()
        if room is not None:
            return room
        self.roomless[call] = self.loop.create_future()
        try:
            return bool(await self.roomless[call])
        finally:
            del self.roomless[call]

    def _look_for_room(self) -> None:
        """Let those streams go on that have room now: after `seen` was read."""
        for call, waiting in self.roomless.items():
            if not waiting.done() and (room := call.room()) is not None:
                waiting.set_result(room)

    async def _stream(self, call: _core.Call, items: Any) -> None:
        """Publish what an asynchronous generator yields; its error is the last item."""
        skip = call.published
        try:
            async for item in items:
                if skip > 0:
                    skip -= 1
                elif not call.publish(item) or not await self._room(call):
                    break
        except Exception as error:  # noqa: BLE001  (the caller gets it)
            call.publish(self.translate(error, call.task_name), is_error=True)
        finally:
            await items.aclose()
        call.leave_if_asked()
        call.end_stream()

    async def _run(self, call: _core.Call) -> None:
        is_settled = True
        try:
            method, args, kwargs = call.unpack()
            value = method(*args, **kwargs)
            if inspect.iscoroutine(value):
                value = await value
            if call.is_stream and hasattr(value, "__aiter__"):
                await self._stream(call, value)
            elif call.is_stream and hasattr(value, "__next__"):
                await self._stream(call, _asynchronous(value))
            else:
                call.store(value)
        except self.cancelled_error as error:
            if call.is_cancelled:
                call.cancel()
            else:
                self.settle(call, error)
        except BaseException as error:  # noqa: BLE001  (the caller gets it)
            is_settled = self.settle(call, error)
        del self.running[call]
        self.free[call.group] += 1
        if is_settled:
            self.ended.append(call)
        self._pump_soon()
