"""What programs do behind the back of a call: end the session, change its lists and handles."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pyray import _core, exceptions
from tests.support import run_script, wait_until

DEADLINE_S = 20


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `call` in a thread; its answer, or its exception, will be in the list."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001  (the answer is looked at by the test)
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


class Gate:
    """A value whose pickling, or loading, stops until the test lets it go on."""

    reached = threading.Event()
    opened = threading.Event()

    @classmethod
    def close(cls) -> None:
        cls.reached.clear()
        cls.opened.clear()

    @classmethod
    def pass_through(cls) -> int:
        cls.reached.set()
        assert cls.opened.wait(DEADLINE_S)
        return 1


class StopsWhenPickled:
    def __reduce__(self) -> tuple[Any, ...]:
        return int, (Gate.pass_through(),)


class StopsWhenLoaded:
    def __reduce__(self) -> tuple[Any, ...]:
        return Gate.pass_through, ()


@pytest.mark.parametrize("verb", ["put", "remote", "get"])
def test_session_ended_while_user_code_runs_inside_of_a_call(
    ray_alone: ModuleType, verb: str
) -> None:
    ray = ray_alone
    Gate.close()
    stored = ray.put([StopsWhenLoaded(), ray.put(1), "x" * 1000])
    echo = ray.remote(lambda value: value)
    calls = {
        "put": lambda: ray.put(StopsWhenPickled()),
        "remote": lambda: echo.remote(StopsWhenPickled()),
        "get": lambda: ray.get([stored, stored]),
    }
    thread, answers = in_thread(calls[verb])
    assert Gate.reached.wait(DEADLINE_S)
    ray.shutdown()
    Gate.opened.set()
    thread.join()
    assert isinstance(answers[0], exceptions.RaySystemError)


def test_handle_of_an_earlier_session_is_refused() -> None:
    run_script(
        """
        import pyray as ray

        @ray.remote
        class A:
            def who(self):
                return "A"

        @ray.remote
        class B:
            def who(self):
                return "B"

        ray.init(num_cpus=1)
        a = A.remote()
        assert ray.get(a.who.remote()) == "A"
        ray.shutdown()
        ray.init(num_cpus=1)
        b = B.remote()
        assert ray.get(b.who.remote()) == "B"
        try:
            a.who.remote()
        except ValueError as error:
            assert "earlier session" in str(error)
        else:
            raise AssertionError("a handle of an earlier session was accepted")
        ray.shutdown()
        """,
        timeout_s=DEADLINE_S,
    )


@pytest.mark.parametrize("verb", ["get", "wait"])
def test_list_that_another_thread_empties_while_a_call_waits(
    ray_alone: ModuleType, verb: str
) -> None:
    ray = ray_alone
    opened = ray.remote(lambda: __import__("time").sleep(0.3) or 1)
    refs = [opened.remote() for _ in range(3)]
    kept = list(refs)
    call = {"get": lambda: ray.get(refs), "wait": lambda: ray.wait(refs, num_returns=3)[0]}[verb]
    thread, answers = in_thread(call)
    refs.clear()
    thread.join()
    assert answers == ([[1, 1, 1]] if verb == "get" else [kept])


def test_get_of_duplicates_is_woken_by_the_object(ray_alone: ModuleType) -> None:
    ray = ray_alone
    looks = _core.looked_again()
    ref = ray.remote(lambda: __import__("time").sleep(0.2) or [1]).remote()
    first, second = ray.get([ref, ref])
    assert first == second == [1]
    assert _core.looked_again() == looks, "nobody woke the thread: it looked again by itself"


def test_failed_constructor_does_not_harm_later_tasks(ray_alone: ModuleType) -> None:
    ray = ray_alone

    @ray.remote
    class Bad:
        def __init__(self) -> None:
            raise ValueError("no")

        def method(self) -> None: ...

    @ray.remote(max_retries=0)
    def fails() -> None:
        raise KeyError("as it should")

    bad = [Bad.remote() for _ in range(4)]
    for handle in bad:
        with pytest.raises(exceptions.ActorDiedError):
            ray.get(handle.method.remote(), timeout=DEADLINE_S)
    del bad, handle
    for _ in range(4):
        with pytest.raises(KeyError):
            ray.get(fails.remote(), timeout=DEADLINE_S)


def test_error_that_carries_references_lets_them_go(ray_alone: ModuleType) -> None:
    ray = ray_alone

    class Carrier(Exception):
        pass

    @ray.remote(max_retries=0)
    def fails() -> None:
        raise Carrier(ray.put(bytes(200_000)))

    for _ in range(5):
        with pytest.raises(Carrier):
            ray.get(fails.remote(), timeout=DEADLINE_S)
    wait_until(
        lambda: _core.store_stats()["used_bytes"] < 200_000, DEADLINE_S, "the errors' objects to go"
    )


def test_future_beside_a_get_in_another_thread(ray_alone: ModuleType) -> None:
    ray = ray_alone
    sleeper = ray.remote(lambda seconds: __import__("time").sleep(seconds) or seconds)
    sleeper.remote(0).future().result(DEADLINE_S)
    slow = sleeper.remote(0.3)
    thread, answers = in_thread(lambda: ray.get(slow))
    assert sleeper.remote(0.01).future().result(DEADLINE_S) == 0.01
    _core.poke()
    thread.join()
    assert answers == [0.3]


def test_bytearray_cannot_be_resized_while_it_is_stored(ray_alone: ModuleType) -> None:
    ray = ray_alone
    data = bytearray(b"x" * (32 << 20))
    refused: list[BaseException] = []
    stop = threading.Event()

    def shrink() -> None:
        while not stop.is_set():
            try:
                data.append(0)
                data.pop()
            except BufferError as error:
                refused.append(error)

    thread = threading.Thread(target=shrink)
    thread.start()
    ref = ray.put([data])
    stop.set()
    thread.join()
    assert set(ray.get(ref)[0][: 32 << 20 : 4096]) == {ord("x")}
