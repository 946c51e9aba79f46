"""Every failure explains itself: what happened to which thing, and what can be done about it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

import pyray as ray
from pyray import exceptions
from pyray.util.placement_group import placement_group, remove_placement_group
from tests.death.ways import _no_core_file

MOST_LINES = 25


@ray.remote(max_retries=0)
def task(how: str) -> Any:
    """Fail in some way."""
    _no_core_file()
    if how.startswith("SIG"):
        number = getattr(signal, how)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)  # whoever began this run may ignore it (nohup)
        os.kill(os.getpid(), number)
        time.sleep(60)
    return FAILINGS[how]()


def _raise(error: BaseException) -> None:
    raise error


def _for_ever() -> None:
    _for_ever()


FAILINGS: dict[str, Callable[[], Any]] = {
    "exit": lambda: os._exit(7),
    "sys.exit": lambda: sys.exit(8),
    "sys.exit words": lambda: sys.exit("farewell"),
    "key": lambda: _raise(KeyError("missing key")),
    "memory": lambda: _raise(MemoryError("much too much")),
    "lock": threading.Lock,
    "assert": lambda: _raise(AssertionError("must hold")),
    "recursion": lambda: _for_ever(),
    "generator": lambda: (n for n in range(3)),
    "nested": lambda: ray.get(task.options(name="inner").remote("key")),
    "nested death": lambda: ray.get(task.options(name="inner").remote("exit")),
}


def run(how: str, **options: Any) -> Callable[[], Any]:
    return lambda: ray.get(task.options(name="my_task", **options).remote(how), timeout=20)


@ray.remote
class Actor:
    """Fails in some way."""

    def __init__(self, how: str = "") -> None:
        if how:
            FAILINGS[how]()

    def method(self, how: str) -> Any:
        return FAILINGS[how]()


def call(how: str, *arguments: Any, **options: Any) -> Callable[[], Any]:
    def failing() -> None:
        actor = Actor.options(**options).remote(*arguments)
        ray.get(actor.method.remote(how), timeout=20)

    return failing


def killed() -> None:
    actor = Actor.remote()
    ray.kill(actor)
    ray.get(actor.method.remote("key"), timeout=20)


def cancelled() -> None:
    ref = task.options(num_cpus=2, name="my_task").remote("key")
    blocker = ray.remote(num_cpus=2)(time.sleep).remote(0)
    ray.cancel(ref)
    try:
        ray.get(ref, timeout=20)
    except KeyError:  # it was faster
        raise exceptions.TaskCancelledError from None
    finally:
        del blocker


def timed_out() -> None:
    slow = ray.remote(time.sleep).options(name="slow").remote(60)
    try:
        ray.get(slow, timeout=0.05)
    finally:
        ray.cancel(slow, force=True)


def without_group() -> None:
    group = placement_group([{"CPU": 1}])
    remove_placement_group(group)
    ray.get(task.options(placement_group=group).remote("key"), timeout=20)


def put_too_much() -> None:
    ray.put(bytearray(200 << 20))


@ray.remote
def plain(a: int, b: int = 0) -> int:
    """Add."""
    return a + b


LOCK = threading.Lock()


@ray.remote
def captures() -> bool:
    """Use a global that cannot be pickled."""
    return LOCK.locked()


class BadReduce:
    """Cannot be pickled."""

    def __reduce__(self) -> Any:
        raise ValueError("reduce failed")


class BadLoad:
    """Cannot be loaded."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def option(**options: Any) -> Callable[[], Any]:
    return lambda: plain.options(**options)


def actor_option(**options: Any) -> Callable[[], Any]:
    return lambda: Actor.options(**options)


ANY = Exception
CRASHED, DIED = exceptions.WorkerCrashedError, exceptions.ActorDiedError
CASES: list[tuple[str, Callable[[], Any], type[BaseException], list[str]]] = [
    # deaths: of what, how, and of which task
    *((name, run(name), CRASHED, [name, "my_task", "pid"]) for name in (
        "SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGHUP",
        "SIGXCPU", "SIGUSR1")),
    ("exit code", run("exit"), CRASHED, ["exit code 7", "my_task", "pid"]),
    ("sys.exit", run("sys.exit"), CRASHED, ["exit code 8", "my_task"]),
    ("sys.exit with words", run("sys.exit words"), CRASHED, ["exit code 1", "farewell"]),
    ("exit in a method", call("exit"), DIED, ["exit code 7", "Actor"]),
    ("sys.exit in a method", call("sys.exit"), DIED, ["Actor"]),
    ("exit in a constructor", call("key", "exit"), DIED, ["exit code 7", "Actor"]),
    ("exit with a name", call("exit", name="my_actor"), DIED, ["exit code 7", "Actor"]),
    ("killed", killed, DIED, ["Actor", "ray.kill"]),
    # errors of user code
    ("error", run("key"), KeyError, ["missing key", "my_task", "test_explained.py"]),
    ("MemoryError", run("memory"), MemoryError, ["much too much", "my_task"]),
    ("assertion", run("assert"), AssertionError, ["must hold", "my_task"]),
    ("recursion", run("recursion"), RecursionError, ["maximum recursion depth", "my_task"]),
    ("error in a method", call("key"), KeyError, ["missing key", "Actor.method"]),
    ("error of an inner task", run("nested"), KeyError, ["missing key", "inner", "my_task"]),
    ("death of an inner task", run("nested death"), ANY, ["exit code 7", "inner"]),
    ("error of an argument", lambda: ray.get(plain.remote(task.remote("key"))), ANY,
     ["missing key", "plain", "argument"]),
    # values
    ("result", run("lock"), TypeError, ["result of my_task", "cannot pickle", "lock"]),
    ("result that is a generator", run("generator"), TypeError, ["my_task", "generator"]),
    ("global", captures.remote, TypeError, ["captures", "LOCK", "test_explained.py:", "Make it"]),
    ("argument", lambda: plain.remote([LOCK]), TypeError, ["argument of", "plain", "[0]"]),
    ("argument deep inside", lambda: plain.remote({"a": [1, LOCK]}), TypeError, ["['a'][1]"]),
    ("put", lambda: ray.put({"k": LOCK}), TypeError, ["put value", "['k']", "_thread.lock"]),
    ("reduce", lambda: ray.put([BadReduce()]), ANY, ["reduce failed"]),
    ("load", lambda: ray.get(ray.put(BadLoad())), ANY, ["no number"]),
    ("load of an argument", lambda: ray.get(plain.remote(BadLoad())), ANY, ["no number", "plain"]),
    # limits
    ("time-out", timed_out, exceptions.GetTimeoutError, ["0.05"]),
    ("full", put_too_much, exceptions.ObjectStoreFullError,
     ["209,", "Capacity", "used", "free", "object_store_memory"]),
    ("cancelled", cancelled, exceptions.TaskCancelledError, ["ancel"]),
    ("group", without_group, ANY, ["placement group", "removed"]),
    ("bundle", lambda: placement_group([]), ValueError, ["Bundles"]),
    ("bundle too large", lambda: placement_group([{"CPU": -1}]), ValueError, ["-1"]),
    # wrong use, refused where it is written
    ("missing argument", lambda: plain.remote(), TypeError, ["missing", "'a'"]),
    ("too many arguments", lambda: plain.remote(1, 2, 3), TypeError, ["too many"]),
    ("unknown argument", lambda: plain.remote(1, c=3), TypeError, ["'c'"]),
    ("direct call", lambda: plain(1), TypeError, ["plain", ".remote()"]),
    ("direct actor", lambda: Actor(), TypeError, ["Actor", ".remote()"]),
    ("direct method", lambda: Actor.remote().method("key"), TypeError, ["method", ".remote()"]),
    ("unknown method", lambda: Actor.remote().metod, AttributeError, ["metod"]),
    ("unknown option", option(num_cpu=1), ValueError, ["num_cpu"]),
    ("negative CPUs", option(num_cpus=-1), ValueError, ["num_cpus"]),
    ("odd CPUs", option(num_cpus="two"), TypeError, ["num_cpus"]),
    ("negative retries", option(max_retries=-2), ValueError, ["max_retries"]),
    ("no results", option(num_returns=-1), ValueError, ["num_returns"]),
    ("resources", option(resources={"CPU": 1}), ValueError, ["CPU", "num_cpus"]),
    ("option of actors", option(max_restarts=1), ValueError, ["max_restarts"]),
    ("unknown option of actors", actor_option(max_restart=1), ValueError, ["max_restart"]),
    ("negative restarts", actor_option(max_restarts=-2), ValueError, ["max_restarts"]),
    ("lifetime", actor_option(lifetime="long"), ValueError, ["lifetime"]),
    ("get of no reference", lambda: ray.get(1), ValueError, ["int", "ObjectRef"]),
    ("wait for too many", lambda: ray.wait([ray.put(1)], num_returns=2), ValueError,
     ["num_returns"]),
    ("wait for none", lambda: ray.wait([ray.put(1)], num_returns=0), ValueError, ["return 0"]),
    ("put of a reference", lambda: ray.put(ray.put(1)), TypeError, ["ObjectRef"]),
    ("no such actor", lambda: ray.get_actor("nobody"), ValueError, ["nobody"]),
    ("kill of a task", lambda: ray.kill(ray.put(1)), ValueError, ["actor"]),
    ("environment", option(runtime_env={"wrong": 1}), ValueError, ["wrong"]),
    ("folder", option(runtime_env={"working_dir": "/no/such"}), ValueError, ["/no/such"]),
    ("second init", lambda: ray.init(), RuntimeError, ["ray.init", "ignore_reinit_error"]),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def exported(deadly_session: ModuleType) -> None:
    """Have the code of this module in the store, so that accounts of single tests are even."""
    with suppress(KeyError):
        ray.get(task.remote("key"))
    ray.get(plain.remote(1))
    ray.get(Actor.remote().__ray_ready__.remote())


def test_there_are_sixty() -> None:
    assert len(CASES) >= 60
    assert len({case[0] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_failure_says_what_it_should(
    deadly_session: ModuleType, case: tuple[str, Callable[[], Any], type[BaseException], list[str]]
) -> None:
    _, fail, kind, words = case
    with pytest.raises(kind) as caught:
        fail()
    text = str(caught.value)
    missing = [word for word in words if word not in text]
    assert not missing, text
    assert len(text.splitlines()) < MOST_LINES, text


def test_waiting_in_a_loop_of_asyncio_says_the_same(deadly_session: ModuleType) -> None:
    async def fail() -> None:
        await task.options(name="my_task").remote("exit")

    with pytest.raises(CRASHED, match=r"my_task[\s\S]*exit code 7"):
        asyncio.run(fail())
