"""The check of a call against a function's signature, compared with really calling it."""

import functools
import sys
from typing import Any

import pytest

from pyray.signatures import UNLIMITED, CallSignature


def none() -> None: ...
def one(x: Any) -> None: ...
def defaults(x: Any, y: Any = 1) -> None: ...
def rest(x: Any, *args: Any) -> None: ...
def keywords(x: Any, **kwargs: Any) -> None: ...
def keyword_only(x: Any, *, y: Any) -> None: ...
def keyword_default(x: Any, *, y: Any = 1) -> None: ...
def positional_only(x: Any, /, y: Any) -> None: ...
def everything(
    a: Any, /, b: Any, c: Any = 1, *args: Any, d: Any, e: Any = 2, **kwargs: Any
) -> None: ...


RANGES = [
    (none, 0, 0),
    (one, 1, 1),
    (defaults, 1, 2),
    (rest, 1, UNLIMITED),
    (keywords, 1, 1),
    (keyword_only, UNLIMITED, 1),
    (keyword_default, 1, 1),
    (positional_only, 2, 2),
    (everything, UNLIMITED, UNLIMITED),
    (functools.partial(defaults, 5), 0, 1),
    (dict, 0, UNLIMITED),
]
CALLS = [
    ((), {}),
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2, 3), {}),
    ((), {"x": 1}),
    ((1,), {"x": 1}),
    ((1,), {"y": 1}),
    ((1,), {"z": 1}),
    ((), {"x": 1, "y": 2}),
    ((1, 2), {"y": 2}),
    ((1, 2), {"d": 2}),
    ((1,), {"b": 2, "d": 2, "z": 4}),
    ((), {"a": 1, "b": 2, "d": 2}),
]


def names(function: Any) -> Any:
    return getattr(function, "__name__", "partial")


@pytest.mark.parametrize(("function", "low", "high"), RANGES, ids=names)
def test_range_when_built_bounds_calls_without_keywords(function: Any, low: Any, high: Any) -> None:
    signature = CallSignature(function)
    assert (signature.min_positional, signature.max_positional) == (low, high)


@pytest.mark.parametrize(("args", "kwargs"), CALLS)
@pytest.mark.parametrize("function", [row[0] for row in RANGES if row[0] is not dict], ids=names)
def test_check_when_compared_with_the_call_agrees(function: Any, args: Any, kwargs: Any) -> None:
    if sys.version_info[:3] == (3, 13, 0) and function is everything and "a" in kwargs:
        pytest.skip("Signature.bind of 3.13.0 takes a positional-only argument by keyword")
    signature = CallSignature(function)
    try:
        function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            signature.check(args, kwargs)
        assert kwargs or not signature.min_positional <= len(args) <= signature.max_positional
    else:
        signature.check(args, kwargs)


MESSAGES = [
    (keyword_default, (), {}, "missing a required argument: 'x'"),
    (one, (1, 2), {}, "too many positional arguments"),
    (one, (1,), {"z": 1}, "got an unexpected keyword argument 'z'"),
    (one, (1,), {"x": 1}, "multiple values for argument 'x'"),
]


@pytest.mark.parametrize(("function", "args", "kwargs", "text"), MESSAGES)
def test_check_when_call_does_not_fit_says_why(
    function: Any, args: Any, kwargs: Any, text: Any
) -> None:
    with pytest.raises(TypeError, match=text):
        CallSignature(function).check(args, kwargs)


class Counter:
    def __init__(self, start: Any) -> None: ...
    def inc(self, by: Any = 1) -> None: ...
    def takes_all(*args: Any) -> None: ...
    def forgot_self() -> None: ...
    @classmethod
    def from_text(cls, text: Any) -> None: ...
    @staticmethod
    def parse(text: Any) -> None: ...


METHODS = [
    ("inc", 0, 1),
    ("takes_all", 0, UNLIMITED),
    ("from_text", 1, 1),
    ("parse", 1, 1),
    ("__init__", 1, 1),
]


@pytest.mark.parametrize(("name", "low", "high"), METHODS)
def test_method_when_taken_from_class_is_seen_without_self(name: Any, low: Any, high: Any) -> None:
    signature = CallSignature.of_method(Counter, name)
    assert (signature.min_positional, signature.max_positional) == (low, high)


def test_method_when_it_forgot_self_still_builds() -> None:
    assert CallSignature.of_method(Counter, "forgot_self").max_positional == 0


def test_class_when_given_checks_its_constructor() -> None:
    class Plain:
        pass

    assert CallSignature(Plain).max_positional == 0
    with pytest.raises(TypeError, match="missing a required argument: 'start'"):
        CallSignature(Counter).check((), {})


def test_check_when_builtin_has_no_signature_accepts_everything() -> None:
    signature = CallSignature(dict)
    signature.check((1, 2, 3), {"a": 1})
    assert repr(signature) == "CallSignature(...)"
    assert repr(CallSignature(lambda x, y=1: x + y)) == "CallSignature(x, y=1)"
