"""`RayError` and `RayTaskError`: a user's exception on its way to who asks for it.

The worker wraps what the task raised. Where the result is fetched, `as_instanceof_cause` makes an
instance of a class ``RayTaskError(Mine)`` that derives from `RayTaskError` *and* from the user's
class, so that both ``except RayTaskError`` and ``except Mine`` (and ``except*``) catch it, and the
user's attributes and methods work on it. Such a class is made once per cause class.

The wrapped cause is always the user's own exception: when a task fails because a task that it
called failed, the innermost exception is passed on, and the text shows the whole way.
"""

import logging
import os
import pickle
import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, cast

from pyray.errors.parts import Portable, parts, rebuild, set_state
from pyray.errors.tracebacks import format_traceback, with_header

_FAILED_ARGUMENT = "  At least one of the input arguments for this task could not be computed:"

_logger = logging.getLogger("pyray")

# Holds a class only as long as an instance of it lives, since each refers to a user's class.
_dual_classes: weakref.WeakValueDictionary[type, type] = weakref.WeakValueDictionary()


class _Origin(NamedTuple):
    """Where a task failed, and how that is shown."""

    function_name: str
    traceback_str: str
    proctitle: str
    pid: int
    ip: str
    actor_repr: str | None
    actor_id: str | None


def text_given(error: BaseException) -> str:
    """Return the text that an error was made with, its first argument; "" without one."""
    return str(error.args[0]) if error.args else ""


class RayError(Exception):
    """Base of every exception of pyray.

    Example:
        >>> class Full(RayError):
        ...     _default_text = "There is no room."
        >>> print(Full())
        There is no room.
    """

    _prefix: ClassVar[str] = ""
    _default_text: ClassVar[str] = ""

    def __str__(self) -> str:
        return f"{self._prefix}{super().__str__() or self._default_text}".rstrip("\n")

    def __reduce__(self) -> tuple[Any, ...]:
        # Constructors of subclasses turn their arguments into texts, so they cannot run twice.
        return rebuild, (type(self), *parts(self))


class RayTaskError(RayError):
    r"""A task or an actor's method raised an exception.

    Its text is the remote traceback. ``cause`` is the exception of the user.

    Args:
        function_name: The task's name, such as ``f`` or ``Counter.inc``.
        traceback_str: The remote traceback, from `format_traceback` or the `traceback` module.
        cause: What the task raised. For another task's error, that error's cause is taken.
        proctitle: The title of the process; ``ray::`` and the function's name by default.
        pid: The process that ran the task; this one by default.
        ip: The machine that ran the task.
        actor_repr: The actor's ``repr``, for a method of an actor.
        actor_id: The actor's id in hex, for a method of an actor.

    Example:
        >>> error = RayTaskError("f", "Traceback (most recent call last):\nKeyError: 1",
        ...                      KeyError(1), pid=7).as_instanceof_cause()
        >>> error
        RayTaskError(KeyError)(KeyError(1))
        >>> print(error)
        ray::f() (pid=7, ip=127.0.0.1)
        KeyError: 1
        >>> isinstance(error, KeyError), error.args
        (True, (1,))
    """

    function_name: str
    traceback_str: str
    proctitle: str
    pid: int
    ip: str
    actor_repr: str | None
    actor_id: str | None
    _ray_origin: _Origin
    _ray_cause: BaseException

    def __init__(  # noqa: PLR0913, PLR0917  (Ray's signature)
        self,
        function_name: str,
        traceback_str: str,
        cause: BaseException,
        proctitle: str | None = None,
        pid: int | None = None,
        ip: str | None = None,
        actor_repr: str | None = None,
        actor_id: str | None = None,
    ) -> None:
        super().__init__(function_name, traceback_str, cause)
        title = proctitle or f"ray::{function_name}"
        place = (os.getpid() if pid is None else pid, ip or "127.0.0.1")
        innermost = cause.cause if isinstance(cause, RayTaskError) else cause
        origin = _Origin(function_name, traceback_str, title, *place, actor_repr, actor_id)
        _set_origin(self, origin, innermost)

    @classmethod
    def from_exception(cls, function_name: str, error: BaseException, **place: Any) -> Self:
        """Wrap an exception that was just caught, with its traceback but without our frames.

        Args:
            function_name: The task's name, such as ``f`` or ``Counter.inc``.
            error: What the task raised.
            **place: ``pid``, ``ip``, ``proctitle``, ``actor_repr``, ``actor_id`` as for the class.
        """
        return cls(function_name, format_traceback(error), error, **place)

    @classmethod
    def from_failed_argument(
        cls, function_name: str, argument_error: BaseException, **place: Any
    ) -> Self:
        """Make the error of a task that never ran because one of its arguments had failed.

        Args:
            function_name: The name of the task that could not run.
            argument_error: The error that the argument's reference holds.
            **place: As for `from_exception`.
        """
        inner = type(argument_error)
        text = f"{_FAILED_ARGUMENT}\n{inner.__module__}.{inner.__qualname__}: {argument_error}"
        return cls(function_name, text, argument_error, **place)

    @property
    def cause(self) -> BaseException:
        """The user's exception."""
        return self._ray_cause

    @property
    def _actor_id(self) -> str | None:
        return self._ray_origin.actor_id

    def make_dual_exception_instance(self) -> "RayTaskError":
        """Return this error as an instance of the cause's class as well.

        Raises:
            TypeError: When no class can derive from both, for example because the cause's class
                forbids subclasses.
        """
        dual_class = _dual_class(type(self.cause))
        args, state = parts(self.cause)
        state.pop("__notes__", None)  # The remote traceback shows them already.
        dual: RayTaskError = rebuild(dual_class, args, {})
        _set_origin(dual, self._ray_origin, self.cause)
        for name in _Origin._fields:  # The user's names win over ours, `cause` excepted.
            if hasattr(self.cause, name):
                del dual.__dict__[name]
        set_state(dual, state)
        return dual

    def as_instanceof_cause(self) -> "RayTaskError":
        """Return an error that ``except`` clauses for the cause's class catch too.

        It is this error itself when it has that quality already, or when no class can derive from
        both; the latter is logged as a warning.
        """
        if isinstance(self, type(self.cause)):
            return self
        try:
            return self.make_dual_exception_instance()
        # Code of the user's class runs here (__init_subclass__, a metaclass): anything may come.
        except Exception as problem:  # noqa: BLE001
            _logger.warning(
                "%s cannot be combined with RayTaskError (%s: %s). `except %s` will not catch "
                "the error of task %s; catch RayTaskError and look at its `cause`.",
                type(self.cause).__qualname__,
                type(problem).__name__,
                problem,
                type(self.cause).__name__,
                self._ray_origin.function_name,
            )
            return self

    def __str__(self) -> str:
        origin = self._ray_origin
        facts: dict[str, object] = {"pid": origin.pid, "ip": origin.ip}
        if origin.actor_id is not None:
            facts["actor_id"] = origin.actor_id
        if origin.actor_repr is not None:
            facts["repr"] = origin.actor_repr
        listed = ", ".join(f"{name}={fact}" for name, fact in facts.items())
        return with_header(origin.traceback_str, f"{origin.proctitle}() ({listed})")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cause!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        make = _restore if type(self) is RayTaskError else _restore_dual
        return make, (tuple(self._ray_origin), Portable(self.cause))

    if not TYPE_CHECKING:  # Checkers would take any attribute for known.

        def __getattr__(self, name: str) -> Any:
            cause = self.__dict__.get("_ray_cause")
            if cause is None or name.startswith("__"):
                message = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(message, name=name, obj=self)
            return getattr(cause, name)


RayError.__module__ = RayTaskError.__module__ = "pyray.exceptions"


def serializable_cause(
    error: BaseException,
    dumps: Callable[[Any], Any] = pickle.dumps,
    loads: Callable[[Any], Any] = pickle.loads,
) -> BaseException:
    """Return the exception itself if it can be pickled and loaded again, else a `RayError`.

    The `RayError` says that the original isn't serializable, why, and what it was.

    Args:
        error: What a task raised.
        dumps: How the engine will pickle it.
        loads: How the engine will load it.
    """
    cause = error.cause if isinstance(error, RayTaskError) else error
    try:
        loads(dumps(Portable(cause)))
    # Code of the user's class and of its attributes runs here: anything may come.
    except Exception as problem:  # noqa: BLE001
        kind = f"{type(cause).__module__}.{type(cause).__qualname__}"
        return RayError(
            f"Exception {kind} isn't serializable: {type(problem).__name__}: {problem}\n"
            f"Original exception:\n{format_traceback(cause)}"
        )
    return error


def _set_origin(error: RayTaskError, origin: _Origin, cause: BaseException) -> None:
    # Past any __setattr__ or property of the user's class.
    error.__dict__.update(origin._asdict(), _ray_origin=origin, _ray_cause=cause)


def _restore(origin: tuple[Any, ...], cause: Portable | BaseException) -> RayTaskError:
    if isinstance(cause, Portable):  # copy.copy passes the arguments of a reduction as they are.
        cause = cause.error
    made = _Origin(*origin)
    error = RayTaskError(made.function_name, made.traceback_str, cause)
    _set_origin(error, made, cause)
    return error


def _restore_dual(origin: tuple[Any, ...], cause: Portable | BaseException) -> RayTaskError:
    return _restore(origin, cause).as_instanceof_cause()


def _dual_class(cause_class: type[BaseException]) -> type[RayTaskError]:
    found = _dual_classes.get(cause_class)
    if found is None:
        name = f"RayTaskError({cause_class.__name__})"
        body: dict[str, Any] = {"__module__": "pyray.exceptions", "__qualname__": name}
        if issubclass(cause_class, BaseExceptionGroup):
            body["derive"] = _derive_from_cause
        made = types.new_class(
            name, (RayTaskError, cause_class), exec_body=lambda n: n.update(body)
        )
        found = _dual_classes.setdefault(cause_class, made)
    return cast("type[RayTaskError]", found)


def _derive_from_cause(self: RayTaskError, members: Any) -> Any:
    """Let ``except*`` split the group by the rules of the user's class."""
    return cast("BaseExceptionGroup[Any]", self.cause).derive(members)
