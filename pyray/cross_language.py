"""Functions and classes of other languages: here there is Python alone, and each name says so."""

from __future__ import annotations

import enum
from typing import Any, NoReturn

__all__ = [
    "Language",
    "cpp_actor_class",
    "cpp_function",
    "java_actor_class",
    "java_function",
]


class Language(enum.Enum):
    """Languages that Ray has workers in; those of pyray run Python.

    Example:
        >>> Language.PYTHON
        <Language.PYTHON: 0>
    """

    PYTHON = 0
    JAVA = 1
    CPP = 2


def _refuse(what: str, language: str) -> NoReturn:
    raise NotImplementedError(
        f"pyray has no workers in {language}, so it cannot run {what}. Call it from Python: "
        "through ctypes, Cython or pybind11, or as a program that a task starts."
    )


def java_function(class_name: str, function_name: str) -> Any:
    """Refuse a static method of a Java class.

    Raises:
        NotImplementedError: Always; it says what to use instead.
    """
    _refuse(f"the function {class_name}.{function_name}", "Java")


def java_actor_class(class_name: str) -> Any:
    """Refuse a Java class.

    Raises:
        NotImplementedError: Always; it says what to use instead.
    """
    _refuse(f"the class {class_name}", "Java")


def cpp_function(function_name: str) -> Any:
    """Refuse a C++ function.

    Raises:
        NotImplementedError: Always; it says what to use instead.
    """
    _refuse(f"the function {function_name}", "C++")


def cpp_actor_class(create_function_name: str, class_name: str) -> Any:
    """Refuse a C++ class.

    Raises:
        NotImplementedError: Always; it says what to use instead.
    """
    _refuse(f"the class {class_name} (made by {create_function_name})", "C++")
