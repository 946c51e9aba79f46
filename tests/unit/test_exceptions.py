"""The exceptions: names, texts, pickles, and the remote error of a task."""

import copy
import logging
import pickle
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from pyray import exceptions
from pyray.errors.task_error import serializable_cause
from pyray.errors.tracebacks import format_traceback, with_header
from pyray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    ObjectLostError,
    ObjectStoreFullError,
    RayActorError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

# Name and bases of every exception class of Ray 2.60.
RAY_HIERARCHY = {
    "ActorAlreadyExistsError": ("ValueError", "RayError"),
    "ActorDiedError": ("RayActorError",),
    "ActorHandleNotFoundError": ("ValueError", "RayError"),
    "ActorPlacementGroupRemoved": ("RayError",),
    "ActorUnavailableError": ("RayActorError",),
    "ActorUnschedulableError": ("RayError",),
    "AsyncioActorExit": ("RayError",),
    "AuthenticationError": ("RayError",),
    "CrossLanguageError": ("RayError",),
    "GetTimeoutError": ("RayError", "TimeoutError"),
    "LocalRayletDiedError": ("RayError",),
    "NodeDiedError": ("RayError",),
    "ObjectFetchTimedOutError": ("ObjectLostError",),
    "ObjectFreedError": ("ObjectLostError",),
    "ObjectLostError": ("RayError",),
    "ObjectReconstructionFailedError": ("ObjectLostError",),
    "ObjectRefStreamEndOfStreamError": ("RayError",),
    "ObjectStoreFullError": ("RayError",),
    "OufOfBandObjectRefSerializationException": ("RayError",),
    "OutOfDiskError": ("RayError",),
    "OutOfMemoryError": ("RayError",),
    "OwnerDiedError": ("ObjectLostError",),
    "PendingCallsLimitExceeded": ("RayError",),
    "PlasmaObjectNotAvailable": ("RayError",),
    "RayActorError": ("RayError",),
    "RayCgraphCapacityExceeded": ("RaySystemError",),
    "RayChannelError": ("RaySystemError",),
    "RayChannelTimeoutError": ("RayChannelError", "TimeoutError"),
    "RayDirectTransportError": ("RaySystemError",),
    "RayError": ("Exception",),
    "RaySystemError": ("RayError",),
    "RayTaskError": ("RayError",),
    "ReferenceCountingAssertionError": ("ObjectLostError", "AssertionError"),
    "RpcError": ("RayError",),
    "RuntimeEnvSetupError": ("RayError",),
    "StreamingGeneratorReplayInconsistentError": ("RaySystemError",),
    "TaskCancelledError": ("RayError",),
    "TaskPlacementGroupRemoved": ("RayError",),
    "TaskUnschedulableError": ("RayError",),
    "UnserializableException": ("RayError",),
    "UserCodeException": ("RayError",),
    "WorkerCrashedError": ("RayError",),
}
OURS = {"ForkedProcessError", "SessionCorruptedError", "PyrayInternalError"}


class Mine(Exception):
    """Its constructor takes other arguments than its args."""

    def __init__(self, code: Any, text: Any) -> None:
        super().__init__(f"code {code}: {text}")
        self.code = code

    def doubled(self) -> Any:
        return 2 * self.code

    def first_arg(self) -> Any:
        return self.args[0]


class MineByKeyword(Exception):
    def __new__(cls, *, q: Any) -> Any:  # noqa: ARG004
        return super().__new__(cls)

    def __init__(self, *, q: Any) -> None:
        self.q = q


class MineWithSlots(Exception):
    __slots__ = ("__hidden", "shown")

    def __init__(self, shown: Any) -> None:
        self.shown = shown
        self.__hidden = 2

    def hidden(self) -> Any:
        return self.__hidden


@dataclass(frozen=True)
class MineFrozen(Exception):
    code: int
    text: str = "t"


class MineWithNames(Exception):
    """Has attributes by the names of RayTaskError's own."""

    ip = "of the class"

    def __init__(self) -> None:
        super().__init__("n")
        self.pid = "mine"
        self.cause = "also mine"


class MineWithProperties(Exception):
    @property
    def code(self) -> Any:
        return len(self.args)

    @property
    def traceback_str(self) -> Any:
        return "property"


class MineWithReduce(Exception):
    def __init__(self, a: Any, b: Any) -> None:
        super().__init__("made")
        self.pair = (a, b)

    def __reduce__(self) -> Any:
        return type(self), self.pair


class MineOSError(OSError):
    def __init__(self, path: Any) -> None:
        super().__init__(2, "gone", path)
        self.path = path


class MineDynamic(Exception):
    def __getattr__(self, name: Any) -> Any:
        if name.startswith("dyn"):
            return name.upper()
        raise AttributeError(name)


class MineFinal(Exception):
    def __init_subclass__(cls) -> None:
        raise TypeError("MineFinal is final")


class FinalMeta(type):
    def __new__(mcs, name: Any, bases: Any, namespace: Any) -> Any:
        if any(isinstance(base, FinalMeta) for base in bases):
            raise RuntimeError("no children")
        return super().__new__(mcs, name, bases, namespace)


class MineFinalByMeta(Exception, metaclass=FinalMeta):
    pass


class MineGroup(ExceptionGroup):
    def __new__(cls, errors: Any) -> Any:
        return super().__new__(cls, "mine", errors)

    def derive(self, excs: Any) -> Any:
        return MineGroup(excs)


def raised(error: Any) -> Any:
    """Return the exception as a task would leave it, with a traceback."""
    try:
        raise error  # noqa: TRY301
    except BaseException as caught:  # noqa: BLE001
        return caught


def task_error(error: Any, name: Any = "f", **place: Any) -> Any:
    return RayTaskError.from_exception(name, raised(error), pid=7, **place)


def dual(error: Any, **place: Any) -> Any:
    return task_error(error, **place).as_instanceof_cause()


def through_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


WAYS = pytest.mark.parametrize(
    "way",
    [lambda e: e, through_pickle, copy.copy, copy.deepcopy],
    ids=["same", "pickle", "copy", "deep"],
)


# --- the hierarchy ---


@pytest.mark.parametrize(("name", "bases"), RAY_HIERARCHY.items())
def test_class_when_in_ray_has_same_name_and_bases(name: Any, bases: Any) -> None:
    cls = getattr(exceptions, name)
    above = {base.__name__ for base in cls.__mro__}
    assert set(bases) <= above
    assert cls.__module__ == "pyray.exceptions"


def test_all_when_compared_is_ray_and_ours_and_all_documented() -> None:
    assert set(exceptions.__all__) == set(RAY_HIERARCHY) | OURS
    assert sorted(exceptions.__all__) == exceptions.__all__
    for name in exceptions.__all__:
        cls = getattr(exceptions, name)
        assert issubclass(cls, RayError)
        assert cls.__doc__


TEXTS = [
    (WorkerCrashedError(), "The worker died unexpectedly while executing this task"),
    (WorkerCrashedError("killed by SIGKILL"), "killed by SIGKILL"),
    (GetTimeoutError(), "Get timed out: some object(s) not ready."),
    (GetTimeoutError("late"), "late"),
    (RayActorError(), "The actor experienced an error before finishing this task."),
    (ActorDiedError(), "The actor died unexpectedly before finishing this task."),
    (ActorDiedError(actor_id="ab", reason="why", details={"pid": 3}), "    pid: 3\nwhy"),
    (
        ActorUnavailableError("restarting", b"\1" * 16),
        "The actor 01010101010101010101010101010101 is",
    ),
    (TaskCancelledError(), "cancelled"),
    (TaskCancelledError("TaskID"), "Task: 'TaskID' was cancelled."),
    (TaskCancelledError(error_message="so"), "so"),
    (ObjectStoreFullError("asked 5"), "asked 5\nThe object store is full"),
    (ObjectStoreFullError(), "The object store is full"),
    (exceptions.OutOfDiskError("x"), "x\n"),
    (exceptions.OutOfMemoryError("oom"), "oom"),
    (ObjectLostError("ab", None, "here"), "Failed to retrieve object ab. "),
    (exceptions.OwnerDiedError("ab", None, ""), "has died"),
    (exceptions.ObjectReconstructionFailedError("ab", reason_message="no"), "again: no"),
    (exceptions.TaskUnschedulableError("m"), "The task is not schedulable: m"),
    (exceptions.ActorUnschedulableError("m"), "The actor is not schedulable: m"),
    (exceptions.RuntimeEnvSetupError("m"), "Failed to set up runtime environment.\nm"),
    (exceptions.RuntimeEnvSetupError(), "Failed to set up runtime environment."),
    (exceptions.RaySystemError("m", "tb"), "System error: m\ntraceback: tb"),
    (exceptions.ActorAlreadyExistsError("taken"), "taken"),
    (exceptions.UnserializableException("text"), "Original exception:\ntext"),
    (exceptions.RpcError("m", rpc_code=3), "m"),
    (exceptions.ForkedProcessError(), "forked"),
    (exceptions.SessionCorruptedError(), "ray.init"),
    (exceptions.PyrayInternalError("slot 4"), "slot 4"),
]


@WAYS
@pytest.mark.parametrize(("error", "text"), TEXTS, ids=lambda v: type(v).__name__)
def test_error_when_copied_keeps_text_type_and_attributes(error: Any, text: Any, way: Any) -> None:
    other = way(error)
    assert type(other) is type(error)
    assert text in str(other)
    assert str(other) == str(error)
    assert vars(other) == vars(error)
    assert other.args == error.args


def test_actor_died_when_init_failed_names_the_error() -> None:
    inner = task_error(KeyError("k"), "Counter.__init__", actor_id="ab")
    error = ActorDiedError(inner)
    assert error.actor_init_failed
    assert error.actor_id == "ab"
    assert "error raised in its creation task, ray::Counter.__init__() (pid=7" in str(error)


# --- the class of both ---


@WAYS
def test_dual_when_caught_matches_both_classes(way: Any) -> None:
    error = way(dual(Mine(5, "five")))
    for cls in (Mine, RayTaskError, RayError):
        with pytest.raises(cls):
            raise error
    assert error.code == 5
    assert error.doubled() == 10
    assert error.first_arg() == "code 5: five"
    assert repr(error) == "RayTaskError(Mine)(Mine('code 5: five'))"
    assert type(error).__module__ == "pyray.exceptions"
    assert type(error.cause) is Mine
    assert error.cause.code == 5
    assert str(error).startswith("ray::f() (pid=7, ip=127.0.0.1)\n  File")
    assert str(error).endswith("Mine: code 5: five")


ATTRIBUTES = [
    (MineByKeyword(q=1), {"q": 1}),
    (MineFrozen(4), {"code": 4, "text": "t"}),
    (MineFrozen(code=4), {"code": 4, "text": "t"}),
    (MineWithSlots(1), {"shown": 1}),
    (MineWithNames(), {"pid": "mine", "ip": "of the class", "function_name": "f"}),
    (MineWithProperties(1, 2), {"code": 2}),
    (MineWithReduce(1, 2), {"pair": (1, 2), "args": ("made",)}),
    (MineOSError("/x"), {"errno": 2, "filename": "/x", "path": "/x", "strerror": "gone"}),
    (MineDynamic("d"), {"dynamo": "DYNAMO"}),
    (FileNotFoundError(2, "no", "fn"), {"errno": 2, "filename": "fn"}),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), {"start": 0, "object": b"\xff"}),
    (StopIteration(3), {"value": 3}),
    (ImportError("m", name="n"), {"name": "n", "msg": "m"}),
    (KeyError("k"), {"args": ("k",)}),
    (SyntaxError("s", ("f.py", 3, 1, "text")), {"lineno": 3, "filename": "f.py"}),
    (ActorDiedError(actor_id="ab"), {"actor_id": "ab"}),
    (TaskCancelledError("id"), {"task_id": "id"}),
]


@WAYS
@pytest.mark.parametrize(("cause", "expected"), ATTRIBUTES, ids=lambda v: type(v).__name__)
def test_dual_when_cause_is_unusual_has_its_attributes(cause: Any, expected: Any, way: Any) -> None:
    error = way(dual(cause))
    assert isinstance(error, RayTaskError)
    assert isinstance(error, type(cause))
    assert {name: getattr(error, name) for name in expected} == expected
    assert type(error.cause) is type(cause)
    if type(cause) is not MineWithNames:
        assert {name: getattr(error.cause, name, "f") for name in expected} == expected


def test_dual_when_slots_are_private_keeps_them() -> None:
    assert through_pickle(dual(MineWithSlots(1))).hidden() == 2


def test_dual_class_when_made_twice_is_the_same() -> None:
    assert type(dual(Mine(1, "a"))) is type(dual(Mine(2, "b")))


def test_dual_class_when_unused_is_forgotten() -> None:
    import gc
    import weakref

    class Local(Exception):
        pass

    gone = weakref.ref(Local)
    error = dual(Local())
    del error, Local
    gc.collect()  # Frees the class of both, which lets go of the user's class...
    gc.collect()  # ...and this one frees that.
    assert gone() is None


def test_dual_when_unknown_attribute_asked_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dual(Mine(1, "a")).nonsense


@pytest.mark.parametrize("cause", [Exception("e"), RayError("r")], ids=repr)
def test_dual_when_cause_is_a_base_already_is_the_plain_error(cause: Any) -> None:
    error = task_error(cause)
    assert error.as_instanceof_cause() is error
    assert repr(error) == f"RayTaskError({cause!r})"


@pytest.mark.parametrize(
    "cause",
    [MineFinal("x"), MineFinalByMeta("x"), BaseExceptionGroup("g", [KeyboardInterrupt()])],
    ids=lambda e: type(e).__name__,
)
def test_dual_when_class_forbids_it_is_plain_and_logged(cause: Any, caplog: Any) -> None:
    error = task_error(cause)
    with caplog.at_level(logging.WARNING, logger="pyray"):
        assert error.as_instanceof_cause() is error
    assert error.cause is cause
    assert type(cause).__name__ in caplog.text
    with pytest.raises((TypeError, RuntimeError)):
        error.make_dual_exception_instance()


def test_group_when_raised_is_caught_by_except_star() -> None:
    caught = []
    for cls in (ExceptionGroup, MineGroup):
        members = [ValueError(1), TypeError(2)]
        group = cls("g", members) if cls is ExceptionGroup else cls(members)
        for error in (dual(group), through_pickle(dual(group))):
            try:
                raise error
            except* ValueError as part:
                caught.append([type(part), *(repr(e) for e in part.exceptions)])
            except* TypeError as part:
                caught.append([type(part), *(repr(e) for e in part.exceptions)])
    plain = [[ExceptionGroup, "ValueError(1)"], [ExceptionGroup, "TypeError(2)"]]
    own = [[MineGroup, "ValueError(1)"], [MineGroup, "TypeError(2)"]]
    assert caught == plain * 2 + own * 2


def test_single_when_raised_is_caught_by_except_star() -> None:
    try:
        raise dual(Mine(1, "a"))
    except* Mine as group:
        (only,) = group.exceptions
    assert isinstance(only, RayTaskError)


def test_group_when_members_have_odd_constructors_pickles() -> None:
    error = through_pickle(
        dual(ExceptionGroup("g", [Mine(1, "a"), ExceptionGroup("h", [Mine(2, "b")])]))
    )
    first, nested = error.exceptions
    assert (first.code, nested.exceptions[0].code) == (1, 2)


def test_nested_when_inner_task_failed_keeps_innermost_class() -> None:
    inner = dual(Mine(5, "five"), name="inner")
    outer = through_pickle(
        RayTaskError.from_exception("outer", raised(inner), pid=8).as_instanceof_cause()
    )
    assert isinstance(outer, Mine)
    assert type(outer.cause) is Mine
    assert outer.code == 5
    assert repr(outer) == "RayTaskError(Mine)(Mine('code 5: five'))"
    text = str(outer)
    assert text.startswith("ray::outer() (pid=8, ip=127.0.0.1)\n")
    assert "RayTaskError(Mine): ray::inner() (pid=7, ip=127.0.0.1)\n" in text


# --- the text ---


def test_str_when_actor_names_id_and_repr() -> None:
    error = task_error(KeyError(1), "Counter.inc", actor_id="abcd", actor_repr="Counter(3)")
    head = "ray::Counter.inc() (pid=7, ip=127.0.0.1, actor_id=abcd, repr=Counter(3))\n"
    assert str(error).startswith(head)


def test_str_when_chained_shows_header_for_each_part() -> None:
    try:
        try:
            _ = 1 / 0
        except ZeroDivisionError as reason:
            raise Mine(1, "a") from reason
    except Mine as error:
        text = str(RayTaskError.from_exception("f", error, pid=7))
    assert text.count("ray::f() (pid=7, ip=127.0.0.1)\n") == 2
    assert "ZeroDivisionError: division by zero\n\nThe above exception was the direct" in text
    assert "Traceback (most recent call last)" not in text


def test_str_when_group_is_headed_once() -> None:
    text = str(task_error(ExceptionGroup("g", [ValueError(1)])))
    assert text.startswith("ray::f() (pid=7, ip=127.0.0.1)\n  + Exception Group Traceback")


def test_str_when_message_holds_a_traceback_leaves_it() -> None:
    message = "child said:\nTraceback (most recent call last):\nKeyError"
    assert message in str(task_error(ValueError(message)))


def test_str_when_argument_failed_says_so_at_each_level() -> None:
    first = task_error(Mine(1, "a"), "first")
    second = RayTaskError.from_failed_argument("second", first.as_instanceof_cause(), pid=8)
    third = RayTaskError.from_failed_argument("third", second, pid=9).as_instanceof_cause()
    sentence = "  At least one of the input arguments for this task could not be computed:"
    lines = str(third).splitlines()
    assert lines[0] == "ray::third() (pid=9, ip=127.0.0.1)"
    assert lines[1] == lines[3] == sentence
    assert lines[2] == "pyray.exceptions.RayTaskError: ray::second() (pid=8, ip=127.0.0.1)"
    assert lines[4] == "pyray.exceptions.RayTaskError(Mine): ray::first() (pid=7, ip=127.0.0.1)"
    assert isinstance(third, Mine)


def test_str_when_argument_lost_with_its_actor_is_an_actor_error() -> None:
    error = RayTaskError.from_failed_argument("f", ActorDiedError(reason="gone"))
    both = error.as_instanceof_cause()
    assert isinstance(both, ActorDiedError)
    assert "pyray.exceptions.ActorDiedError: The actor died" in str(both)


def test_str_when_note_added_shows_it_once() -> None:
    import traceback

    cause = Mine(1, "a")
    cause.add_note("look here")
    error = dual(cause)
    assert "".join(traceback.format_exception(error)).count("look here") == 1


def fail_inside(filename: Any) -> Any:
    """Return an error raised by code of the given file, called from a function of this file."""
    space = {"__name__": "elsewhere"}
    exec(compile("def call(f):\n    f()\n", filename, "exec"), space)

    def user_function() -> None:
        raise KeyError(1)

    try:
        space["call"](user_function)
    except KeyError as error:
        return error


OWN_FILES = [
    (exceptions.__file__.replace("exceptions.py", "worker_main.py"), True),
    ("csrc/bindings/calls.pxi", True),
    ("pyray/_core.pyx", True),
    ("/srv/pyray_program.py", False),
    ("pandas/_libs/lib.pyx", False),
    ("pyray/user.py", False),
]


@pytest.mark.parametrize(("filename", "is_dropped"), OWN_FILES)
def test_traceback_when_frame_is_ours_drops_it(filename: Any, is_dropped: Any) -> None:
    text = format_traceback(fail_inside(filename))
    assert (filename not in text) == is_dropped
    assert "in user_function" in text
    assert text.endswith("KeyError: 1\n")


def test_traceback_when_cause_has_our_frames_drops_them() -> None:
    own = OWN_FILES[0][0]
    try:
        raise ExceptionGroup("g", [fail_inside(own)]) from fail_inside(own)  # noqa: TRY301
    except ExceptionGroup as error:
        text = format_traceback(error)
    assert own not in text
    assert text.count("in user_function") == 2


def test_header_when_text_is_plain_comes_first() -> None:
    assert with_header("  indented\nKeyError", "head") == "head\n  indented\nKeyError"


# --- what cannot be pickled ---


def test_cause_when_serializable_is_returned_itself() -> None:
    for error in (Mine(1, "a"), MineWithReduce(1, 2), dual(Mine(1, "a")), MineFrozen(1)):
        assert serializable_cause(error) is error


def test_cause_when_not_serializable_is_described() -> None:
    error = Mine(1, "locked")
    error.lock = threading.Lock()
    cause = serializable_cause(raised(error))
    assert type(cause) is RayError
    assert "Mine isn't serializable: TypeError: cannot pickle" in str(cause)
    assert "code 1: locked" in str(cause)
    wrapped = through_pickle(
        RayTaskError("f", format_traceback(error), cause)
    ).as_instanceof_cause()
    assert type(wrapped) is RayTaskError
    assert "isn't serializable" in str(wrapped.cause)


class MineUnloadable(Exception):
    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_cause_when_not_loadable_is_described() -> None:
    cause = serializable_cause(MineUnloadable("u"))
    assert "MineUnloadable isn't serializable: ValueError: invalid literal" in str(cause)


def test_cause_when_own_pickler_given_uses_it() -> None:
    class Local(Exception):
        pass

    error = Local("l")
    assert type(serializable_cause(error)) is RayError
    assert serializable_cause(error, dumps=repr, loads=len) is error
