"""What raises in a task, and how it arrives."""

from __future__ import annotations

import os
import pickle
import re
import socket
import threading
from typing import Any

import pytest

import pyray as ray
from pyray import testing
from pyray.exceptions import RayError, RaySystemError, RayTaskError

pytestmark = pytest.mark.usefixtures("ray_session")

CHAIN = "At least one of the input arguments for this task could not be computed:"


def raised(ref: ray.ObjectRef) -> Any:
    """Return the error of a task."""
    with pytest.raises(BaseException) as info:
        ray.get(ref)
    return info.value


def failing(error: Any) -> ray.ObjectRef:
    """Submit a task that raises `error`, a class or an instance."""

    @ray.remote
    def fail() -> None:
        raise error

    return fail.remote()


class Mine(Exception):
    """An exception whose arguments are not its constructor's."""

    def __init__(self, code: int, *, detail: str) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.detail = detail

    def describe(self) -> str:
        return f"{self.code}: {self.detail}"


# ---- Both classes.


def test_error_is_of_both_classes() -> None:
    error = raised(failing(KeyError("k")))
    assert isinstance(error, KeyError)
    assert isinstance(error, RayTaskError)
    assert isinstance(error, RayError)
    assert error.args == ("k",)
    assert isinstance(error.cause, KeyError)
    assert not isinstance(error.cause, RayTaskError)


def test_error_repr_names_both_classes() -> None:
    assert repr(raised(failing(KeyError("k")))) == "RayTaskError(KeyError)(KeyError('k'))"


def test_attributes_and_methods_of_the_user_s_class_work() -> None:
    error = raised(failing_inside(lambda: Mine(7, detail="d")))
    assert isinstance(error, Mine)
    assert (error.code, error.detail, error.describe()) == (7, "d", "7: d")
    assert isinstance(error.cause, Mine)


def test_exception_of_a_local_class_arrives() -> None:
    class Local(ValueError):
        pass

    error = raised(failing(Local("here")))
    assert isinstance(error, Local)
    assert isinstance(error, ValueError)


def test_errors_of_the_operating_system_keep_their_numbers() -> None:
    error = raised(failing(FileNotFoundError(2, "No such file", "/nowhere")))
    assert isinstance(error, FileNotFoundError)
    assert (error.errno, error.filename) == (2, "/nowhere")


@pytest.mark.parametrize(
    "error",
    [
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        StopIteration(3),
        AssertionError("no"),
        ImportError("x", name="n", path="p"),
        RecursionError("deep"),
        NotImplementedError(),
        SyntaxError("bad", ("f.py", 1, 2, "x y")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_built_in_exceptions_arrive(error: Exception) -> None:
    arrived = raised(failing(error))
    assert isinstance(arrived, type(error))
    assert arrived.args == error.args


def test_groups_are_caught_by_their_parts() -> None:
    ref = failing(ExceptionGroup("g", [ValueError(1), KeyError("k"), TypeError()]))
    caught: list[type[BaseException]] = []
    try:
        try:
            ray.get(ref)
        except* ValueError as group:
            caught += [type(one) for one in group.exceptions]
    except BaseExceptionGroup as rest:
        caught += [type(one) for one in rest.exceptions]
    assert caught == [ValueError, KeyError, TypeError]
    error = raised(ref)
    assert isinstance(error, ExceptionGroup)
    assert isinstance(error, RayTaskError)


def test_error_is_caught_by_except_star_of_its_class() -> None:
    caught = False
    try:
        ray.get(failing(KeyError("k")))
    except* KeyError:
        caught = True
    assert caught


def test_error_survives_pickle_with_both_classes() -> None:
    error = raised(failing_inside(lambda: Mine(7, detail="d")))
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, Mine)
    assert isinstance(again, RayTaskError)
    assert str(again) == str(error)


# ---- The text.


def test_text_is_the_remote_traceback() -> None:
    @ray.remote
    def inner_name() -> None:
        helper()

    def helper() -> None:
        raise ValueError("remember me")

    text = str(raised(inner_name.remote()))
    lines = text.splitlines()
    assert re.fullmatch(r"ray::inner_name\(\) \(pid=\d+, ip=[\d.]+\)", lines[0]), lines[0]
    assert lines[-1] == "ValueError: remember me"
    assert "in inner_name" in text
    assert "helper()" in text
    assert 'raise ValueError("remember me")' in text


def test_text_has_no_frames_of_ours() -> None:
    text = str(raised(failing(ValueError("x"))))
    files = re.findall(r'File "([^"]+)"', text)
    assert files
    assert all(os.path.basename(file) == os.path.basename(__file__) for file in files), text


def test_text_shows_what_it_was_raised_from() -> None:
    @ray.remote
    def f() -> None:
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError as error:
            raise ValueError("outer") from error

    text = str(raised(f.remote()))
    assert "ZeroDivisionError: division by zero" in text
    assert "The above exception was the direct cause of the following exception:" in text
    assert text.splitlines()[-1] == "ValueError: outer"


def test_text_shows_notes() -> None:
    @ray.remote
    def f() -> None:
        error = ValueError("x")
        error.add_note("look here")
        raise error

    assert "look here" in str(raised(f.remote()))


def test_name_option_is_shown_in_the_head() -> None:
    @ray.remote(name="special")
    def f() -> None:
        raise ValueError

    assert str(raised(f.remote())).startswith("ray::special() (pid=")


# ---- Errors of arguments and of nested tasks.


def test_failed_argument_fails_the_task_with_the_same_class() -> None:
    @ray.remote
    def use(x: Any) -> Any:
        return x

    error = raised(use.remote(use.remote(failing_inside(lambda: Mine(1, detail="d")))))
    assert isinstance(error, Mine)
    text = str(error)
    assert text.count(CHAIN) == 2
    assert text.startswith("ray::use() (pid=")
    assert "ray::fail() (pid=" in text


def test_failed_argument_among_keywords_and_many_others() -> None:
    @ray.remote
    def use(*args: Any, **kwargs: Any) -> None:
        pass

    good = [ray.put(i) for i in range(30)]
    assert isinstance(raised(use.remote(*good, x=failing(KeyError("k")))), KeyError)
    assert isinstance(raised(use.remote(*good, failing(KeyError("k")), [1])), KeyError)


def test_task_may_catch_the_error_of_another() -> None:
    @ray.remote
    def inner() -> None:
        raise Mine(3, detail="deep")

    @ray.remote
    def outer() -> str:
        try:
            ray.get(inner.remote())
        except Mine as error:
            return error.describe()
        return "nothing"

    assert ray.get(outer.remote()) == "3: deep"


# ---- Exceptions that are difficult.


def test_nested_tasks_keep_the_innermost_class_and_show_the_way() -> None:
    @ray.remote
    def inner() -> None:
        raise Mine(3, detail="deep")

    @ray.remote
    def middle() -> None:
        ray.get(inner.remote())

    @ray.remote
    def outer() -> None:
        ray.get(middle.remote())

    with pytest.raises(Mine) as caught:
        ray.get(outer.remote(), timeout=20)
    error = caught.value
    assert error.code == 3
    text = str(error)
    for name in ("outer", "middle", "inner"):
        assert f"ray::{name}() (pid=" in text
    assert "RayTaskError(Mine)" in text


class Unpicklable(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


def test_exception_that_cannot_be_pickled_has_a_cause_that_says_so() -> None:
    error = raised(failing_inside(lambda: Unpicklable("hidden")))
    assert type(error) is RayTaskError
    assert isinstance(error.cause, RayError)
    assert "isn't serializable" in str(error.cause)
    assert "Unpicklable" in str(error.cause)
    assert "hidden" in str(error)


def failing_inside(make: Any) -> ray.ObjectRef:
    """Submit a task that makes its exception itself."""

    @ray.remote
    def fail() -> None:
        raise make()

    return fail.remote()


def test_exception_with_an_odd_constructor_arrives() -> None:
    # Ray gives an UnserializableException.
    class Odd(Exception):
        def __init__(self, a: int, b: int) -> None:
            super().__init__("only one")
            self.sum = a + b

    error = raised(failing_inside(lambda: Odd(1, 2)))
    assert isinstance(error, Odd)
    assert error.sum == 3


class _Final(type):
    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if any(isinstance(base, _Final) for base in bases):
            raise TypeError("no subclasses")
        return super().__new__(cls, name, bases, body)


class Final(Exception, metaclass=_Final):
    pass


def test_exception_that_cannot_be_subclassed_comes_plain_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = raised(failing_inside(lambda: Final("x")))
    assert type(error) is RayTaskError
    assert isinstance(error.cause, Final)
    assert "cannot be combined" in caplog.text
    caplog.clear()  # its record holds the error, and that the reference


class BrokenLoad(Exception):
    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_exception_that_cannot_be_loaded_has_a_cause_that_says_so() -> None:
    error = raised(failing_inside(lambda: BrokenLoad("x")))
    assert isinstance(error, RayTaskError)
    assert "isn't serializable" in str(error.cause)


def test_exception_whose_str_raises_still_arrives() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("mute")

    assert isinstance(raised(failing_inside(lambda: Mute("x"))), Mute)


def test_base_exceptions_that_do_not_end_the_process_arrive() -> None:
    class Stop(BaseException):
        pass

    error = raised(failing_inside(lambda: Stop("now")))
    assert isinstance(error, Stop)
    assert isinstance(error, RayTaskError)


def test_raising_a_ray_error_by_hand_arrives() -> None:
    error = raised(failing(ray.exceptions.GetTimeoutError("mine")))
    assert isinstance(error, ray.exceptions.GetTimeoutError)
    assert isinstance(error, RayTaskError)


def test_exit_of_the_process_is_a_crash() -> None:
    @ray.remote(max_retries=0)
    def leave(code: int) -> None:
        raise SystemExit(code)

    error = raised(leave.remote(3))
    assert isinstance(error, ray.exceptions.WorkerCrashedError)
    assert "exit code 3" in str(error)


# ---- Values that are difficult.


class BadLoad:
    """Can be pickled, but not loaded."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_argument_that_cannot_be_pickled_is_named_at_the_call() -> None:
    @ray.remote
    def take(*args: Any, **kwargs: Any) -> None:
        pass

    lock = threading.Lock()
    text = "Could not serialize an argument of take, <unlocked _thread.lock .*cannot pickle"
    with pytest.raises(TypeError, match=text):
        take.remote(1, lock)
    with pytest.raises(TypeError, match=text):
        take.remote(1, x=lock)
    assert ray.get(take.remote(1)) is None


def test_result_that_cannot_be_pickled_is_named() -> None:
    @ray.remote
    def give() -> Any:
        return {"lock": threading.Lock()}

    error = raised(give.remote())
    assert isinstance(error, TypeError)
    assert isinstance(error, RayTaskError)
    text = str(error)
    assert "Could not serialize the result of give," in text
    assert "cannot pickle '_thread.lock' object" in text
    assert "lock" in text


def test_one_bad_result_of_several_is_the_error_of_all() -> None:
    @ray.remote(num_returns=2)
    def give() -> Any:
        return 1, threading.Lock()

    for ref in give.remote():
        assert isinstance(raised(ref), TypeError)


def test_result_that_cannot_be_loaded_is_told_from_the_task_s_error() -> None:
    @ray.remote
    def give() -> Any:
        return BadLoad()

    for ref in (give.remote(), ray.put(BadLoad())):
        error = raised(ref)
        assert isinstance(error, RaySystemError)
        assert not isinstance(error, RayTaskError)
        assert "ValueError: invalid literal for int() with base 10: 'no number'" in str(error)
        assert isinstance(error.__cause__, ValueError)


def test_argument_that_cannot_be_loaded_fails_the_task() -> None:
    @ray.remote
    def take(x: Any) -> None:
        pass

    for argument in (BadLoad(), ray.put(BadLoad())):
        error = raised(take.remote(argument))
        assert isinstance(error, RayTaskError)
        assert isinstance(error, RaySystemError)
        assert CHAIN in str(error)
        assert "no number" in str(error)


def test_workers_go_on_after_every_kind_of_error() -> None:
    before = set(testing.worker_pids())
    for make in (lambda: Unpicklable("x"), lambda: BrokenLoad("x"), lambda: KeyboardInterrupt()):
        raised(failing_inside(make))
    assert before <= set(testing.worker_pids())


def test_broken_pipe_is_an_exception_of_the_task() -> None:
    @ray.remote(max_retries=0)
    def write_to_nobody() -> str:
        ours, theirs = socket.socketpair()
        theirs.close()
        with ours, pytest.raises(BrokenPipeError) as caught:
            ours.send(b"x")
        return type(caught.value).__name__

    assert ray.get(write_to_nobody.remote()) == "BrokenPipeError"
