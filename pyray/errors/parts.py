"""Take an exception apart and build an equal one, also as an instance of another class.

Wanted: a user's exception crosses from process to process with its arguments, attributes and
C-level fields (``OSError.errno``, ``UnicodeError.start``), and can be rebuilt as an instance of a
class that also derives from `RayTaskError`.

What does not work: pickle rebuilds an exception by calling ``cls(*args)``. A class whose
``__init__`` takes other parameters than it hands to ``super().__init__`` then fails to load, or
loads with a message that was formatted twice, which is the commonest way for an error to get lost
on its way between processes.

What we do: never call the user's ``__new__`` or ``__init__``. The nearest built-in base, the one
that decides the memory layout, makes and initialises the object, and attributes are put back one
by one. A class with a reduction of its own (``__reduce__``, ``copyreg``) is left to it.

What remains wrong: ``__cause__``, ``__context__`` and ``__traceback__`` do not travel as objects;
the remote traceback holds them as text.
"""

import copyreg
from collections.abc import Callable, Iterator
from typing import Any, cast

_REDUCTION_HOOKS = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__")
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made at run time, not by a C compiler.


def rebuild(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    """Return an instance of an exception class without running its own constructor.

    Args:
        cls: The class to instantiate.
        args: What the nearest built-in base of the class takes; becomes ``.args``.
        state: Attributes by name, set past any ``__setattr__`` of the class.

    Raises:
        TypeError: When the built-in base refuses the arguments, as `ExceptionGroup` does for
            members that are no `Exception`.
    """
    builtin: Any = _builtin_base(cls)
    error = builtin.__new__(cls, *args)
    builtin.__init__(error, *args)
    set_state(error, state)
    return error


def set_state(error: BaseException, state: dict[str, Any]) -> None:
    """Give an exception attributes, past any ``__setattr__`` of its class."""
    for name, value in state.items():
        try:
            object.__setattr__(error, name, value)
        except AttributeError:  # A read-only property of the class hides this attribute.
            error.__dict__[name] = value


def parts(error: BaseException) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments and attributes from which `rebuild` makes an equal exception."""
    reduced: Any = _builtin_base(type(error)).__reduce__(error)
    args = tuple(reduced[1])
    if isinstance(error, BaseExceptionGroup):  # Its args are those of the user's __new__.
        args = (error.message, list(error.exceptions))
    state = dict(reduced[2]) if len(reduced) > 2 and reduced[2] else {}
    state.update(_slot_values(error))
    return args, state


class Portable:
    """Stands for an exception in a pickle and loads as the exception itself.

    Example:
        >>> import pickle
        >>> class Odd(Exception):
        ...     def __init__(self, code, text):
        ...         super().__init__(text)
        ...         self.code = code
        >>> Portable(Odd(7, "seven")).__reduce__()[1][1:]
        (('seven',), {'code': 7})
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if _has_own_reduction(type(self.error)):
            return _same, (self.error,)
        args, state = parts(self.error)
        if isinstance(self.error, BaseExceptionGroup):
            args = (args[0], [Portable(member) for member in args[1]])
        return rebuild, (type(self.error), args, state)


def _same(error: BaseException) -> BaseException:
    return error


def _builtin_base(cls: type[BaseException]) -> type[BaseException]:
    """Return the built-in class that decides the memory layout of an exception class."""
    base: Any = cls
    while _is_written_in_python(base):
        base = base.__base__
    return cast("type[BaseException]", base)


def _is_written_in_python(cls: type) -> bool:
    return bool(cls.__flags__ & _HEAP_TYPE)


def _has_own_reduction(cls: type[BaseException]) -> bool:
    if cls in copyreg.dispatch_table:
        return True
    own = filter(_is_written_in_python, cls.__mro__)
    return any(hook in vars(base) for base in own for hook in _REDUCTION_HOOKS)


def _slot_values(error: BaseException) -> Iterator[tuple[str, Any]]:
    for base in type(error).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else tuple(slots):
            private = slot.startswith("__") and not slot.endswith("__")
            name = f"_{base.__name__.lstrip('_')}{slot}" if private else slot
            if name not in {"__dict__", "__weakref__"} and hasattr(error, name):
                yield name, getattr(error, name)
