"""@ray.remote on functions: the decorator, its options, calls and what is refused."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyray as ray
from tests.support import run_script

pytestmark = pytest.mark.usefixtures("ray_session")

DECORATOR_TEXT = "The @ray.remote decorator must be applied"


def identity(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    return args, kwargs


# ---- The decorator.


def test_decorator_without_arguments() -> None:
    @ray.remote
    def f() -> int:
        return 1

    assert ray.get(f.remote()) == 1


def test_decorator_with_options() -> None:
    @ray.remote(num_cpus=1, num_returns=2)
    def f() -> tuple[int, int]:
        return 1, 2

    assert ray.get(f.remote()) == [1, 2]


def test_decorator_keeps_name_and_documentation() -> None:
    @ray.remote
    def f() -> None:
        """Say something."""

    assert f.__name__ == "f"
    assert f.__doc__ == "Say something."


def test_decorator_with_empty_parentheses_is_refused() -> None:
    # Ray raises an AssertionError here.
    with pytest.raises(TypeError, match=DECORATOR_TEXT):
        ray.remote()


@pytest.mark.parametrize("wrong", [3, "f", None, [1]])
def test_decorator_on_what_is_no_function_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=DECORATOR_TEXT):
        ray.remote(wrong)
    with pytest.raises(TypeError, match=DECORATOR_TEXT):
        ray.remote(num_cpus=1)(wrong)


def test_decorator_on_a_partial_is_refused() -> None:
    with pytest.raises(TypeError, match=DECORATOR_TEXT):
        ray.remote(functools.partial(int, "3"))


def test_decorator_with_function_and_options_together_is_refused() -> None:
    with pytest.raises(TypeError, match=DECORATOR_TEXT):
        ray.remote(identity, num_cpus=1)  # type: ignore[call-overload]


def test_async_function_is_refused_with_the_way_out() -> None:
    async def f() -> None:
        pass

    with pytest.raises(ValueError, match=r"'async def' should not be used.*asyncio\.run"):
        ray.remote(f)


def test_direct_call_is_refused_with_the_way_to_call() -> None:
    f = ray.remote(identity)
    text = r"Remote functions cannot be called directly. Instead of running '.*identity\(\)', try"
    with pytest.raises(TypeError, match=text + r" '.*identity.remote\(\)'"):
        f(1)


# ---- Options.


@pytest.mark.parametrize(
    ("option", "value", "error", "text"),
    [
        ("foo", 1, ValueError, "Invalid option keyword foo for remote functions"),
        ("num_cpu", 1, ValueError, "Did you mean 'num_cpus'"),
        ("num_cpus", "1", TypeError, "The type of keyword 'num_cpus' must be .* but received type"),
        ("num_cpus", -1, ValueError, "num_cpus cannot be negative"),
        ("num_cpus", 0.00001, ValueError, "precision .* cannot go beyond 0.0001"),
        ("num_gpus", 1.5, ValueError, "must be whole numbers"),
        ("resources", {"CPU": 1}, ValueError, "Use the 'num_cpus' and 'num_gpus' keyword"),
        ("resources", {"memory": 1}, ValueError, "Use the keyword 'memory'"),
        ("resources", [1], TypeError, "The type of keyword 'resources'"),
        ("max_retries", -2, ValueError, "only accepts None, 0, -1 or a positive integer, where -1"),
        ("max_retries", 1.0, TypeError, "The type of keyword 'max_retries'"),
        ("num_returns", -1, ValueError, "The keyword 'num_returns' only accepts"),
        ("num_returns", "many", ValueError, "The keyword 'num_returns' only accepts"),
        ("retry_exceptions", 3, TypeError, "The type of keyword 'retry_exceptions'"),
        ("retry_exceptions", [3], ValueError, "must be either a boolean or a list of exceptions"),
        ("scheduling_strategy", "NEAR", ValueError, "Invalid scheduling_strategy"),
        ("name", 3, TypeError, "The type of keyword 'name'"),
    ],
)
def test_bad_option_is_refused_everywhere(
    option: str, value: Any, error: type[Exception], text: str
) -> None:
    f = ray.remote(identity)
    attempts: list[Callable[[], Any]] = [
        lambda: ray.remote(**{option: value})(identity),
        lambda: f.options(**{option: value}),
        lambda: f._remote(args=(), **{option: value}),
    ]
    for attempt in attempts:
        with pytest.raises(error, match=text):
            attempt()


def test_max_calls_is_refused_in_options() -> None:
    f = ray.remote(identity)
    with pytest.raises(ValueError, match="Setting 'max_calls' is not supported in '.options"):
        f.options(max_calls=1)


def test_options_leave_the_original_as_it_was() -> None:
    @ray.remote(num_returns=2)
    def f() -> tuple[int, int]:
        return 1, 2

    assert ray.get(f.options(num_returns=1).remote()) == (1, 2)
    assert ray.get(f.remote()) == [1, 2]


def test_options_add_up() -> None:
    @ray.remote(num_returns=2)
    def f() -> tuple[int, int]:
        return 1, 2

    assert len(f.options(name="other").options(num_cpus=0.5).remote()) == 2


def test_private_remote_takes_arguments_and_options() -> None:
    f = ray.remote(identity)
    assert ray.get(f._remote(args=[1], kwargs={"x": 2}, num_cpus=0.5)) == ((1,), {"x": 2})
    assert ray.get(f._remote((1,))) == ((1,), {})
    assert len(f._remote((1,), num_returns=2)) == 2


# ---- Arguments.


def test_arguments_of_every_form_arrive() -> None:
    def f(a: Any, b: Any = 2, *rest: Any, c: Any, d: Any = 4, **more: Any) -> Any:
        return a, b, rest, c, d, more

    g = ray.remote(f)
    assert ray.get(g.remote(1, c=3)) == (1, 2, (), 3, 4, {})
    assert ray.get(g.remote(1, 5, 6, 7, c=3, e=8)) == (1, 5, (6, 7), 3, 4, {"e": 8})
    assert ray.get(g.remote(a=0, b=[], c={}, d=None)) == (0, [], (), {}, None, {})


@pytest.mark.parametrize("count", [0, 1, 10, 11, 12, 99, 101, 300, 1000])
def test_any_number_of_arguments_arrives(count: int) -> None:
    f = ray.remote(identity)
    values = list(range(count))
    assert ray.get(f.remote(*values)) == (tuple(values), {})
    named = {f"k{i}": i for i in values}
    assert ray.get(f.remote(**named)) == ((), named)


@pytest.mark.parametrize("size", [0, 1, 80, 100, 104, 200, 255, 256, 5_000, 2_000_000])
def test_arguments_of_any_size_arrive(size: int) -> None:
    f = ray.remote(identity)
    (text, data), named = ray.get(
        f.remote("x" * size, b"y" * size, **{"k" * max(1, size): "ü" * size})
    )
    assert (text, data) == ("x" * size, b"y" * size)
    assert named == {"k" * max(1, size): "ü" * size}


def test_a_parameter_may_have_any_name() -> None:
    f = ray.remote(identity)
    names = ["self", "args", "kwargs", "name", "num_returns", "function", "ünï", "task"]
    named = {name: i for i, name in enumerate(names)}
    assert ray.get(f.remote(**named)) == ((), named)


def test_mutable_default_is_the_function_s_own() -> None:
    @ray.remote
    def f(seen: list[int] = []) -> int:  # noqa: B006
        seen.append(1)
        return len(seen)

    assert ray.get(f.remote()) >= 1


def test_arguments_are_taken_as_they_are_at_the_call() -> None:
    f = ray.remote(identity)
    values = [1]
    ref = f.remote(values)
    values.append(2)
    assert ray.get(ref) == (([1],), {})


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"x": 1}, "got an unexpected keyword argument 'x'"),
        ((1,), {"a": 1}, "multiple values for argument 'a'"),
    ],
)
def test_call_that_does_not_fit_is_refused_at_the_call(
    args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    @ray.remote
    def f(a: int, b: int = 1) -> None:
        pass

    with pytest.raises(TypeError, match=text):
        f.remote(*args, **kwargs)


# ---- Results.


def test_num_returns_zero_gives_none() -> None:
    f = ray.remote(identity).options(num_returns=0)
    assert f.remote(1) is None


def test_num_returns_one_keeps_a_tuple_whole() -> None:
    assert ray.get(ray.remote(identity).remote(1)) == ((1,), {})


@pytest.mark.parametrize("count", [2, 3, 64, 65, 1000])
def test_num_returns_many_gives_a_reference_each(count: int) -> None:
    @ray.remote(num_returns=count)
    def f(count: int) -> list[int]:
        return list(range(count))

    refs = f.remote(count)
    assert ray.get(refs) == list(range(count))
    assert ray.get(refs[-1]) == count - 1


def test_num_returns_takes_any_iterable() -> None:
    @ray.remote(num_returns=2)
    def f(kind: str) -> Any:
        return {"dict": {"a": 1, "b": 2}, "str": "ab", "array": np.array([[1], [2]])}[kind]

    assert ray.get(f.remote("dict")) == ["a", "b"]
    assert ray.get(f.remote("str")) == ["a", "b"]
    assert [row.tolist() for row in ray.get(f.remote("array"))] == [[1], [2]]


def test_num_returns_with_a_generator_gives_its_items() -> None:
    @ray.remote(num_returns=3)
    def f() -> Any:
        yield from "abc"

    assert ray.get(f.remote()) == ["a", "b", "c"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_wrong_number_of_results_is_an_error_of_each(count: int) -> None:
    @ray.remote(num_returns=2)
    def f(count: int) -> list[int]:
        return list(range(count))

    for ref in f.remote(count):
        with pytest.raises(ValueError, match=f"Task returned {count} objects, but num_returns=2"):
            ray.get(ref)


def test_result_that_cannot_be_split_is_an_error() -> None:
    @ray.remote(num_returns=2)
    def f() -> None:
        pass

    with pytest.raises(TypeError, match="NoneType, but num_returns=2"):
        ray.get(f.remote())


def test_error_with_many_returns_is_the_error_of_each() -> None:
    @ray.remote(num_returns=3)
    def f() -> None:
        raise KeyError("all")

    for ref in f.remote():
        with pytest.raises(KeyError, match="all"):
            ray.get(ref)


# ---- Which functions.


def test_lambda_runs() -> None:
    assert ray.get(ray.remote(lambda x: x + 1).remote(1)) == 2


def test_closure_carries_its_values() -> None:
    offset, table = 10, {"a": 1}
    f = ray.remote(lambda x: x + offset + table["a"])
    assert ray.get(f.remote(1)) == 12


def test_closure_is_taken_at_the_first_call() -> None:
    values = [1]

    @ray.remote
    def f() -> list[int]:
        return values

    assert ray.get(f.remote()) == [1]
    values.append(2)
    assert ray.get(f.remote()) == [1]


def test_recursive_function_calls_itself_as_tasks() -> None:
    @ray.remote
    def factorial(n: int) -> int:
        return 1 if n == 0 else n * ray.get(factorial.remote(n - 1))

    assert ray.get(factorial.remote(6)) == 720


def test_mutually_recursive_functions() -> None:
    # On its own: code that refers to other code in a circle stays in the store until the end.
    run_script(
        """
        import pyray as ray

        @ray.remote
        def even(n):
            return True if n == 0 else ray.get(odd.remote(n - 1))

        @ray.remote
        def odd(n):
            return False if n == 0 else ray.get(even.remote(n - 1))

        ray.init(num_cpus=2)
        assert ray.get(even.remote(11)) is False
        from pyray import testing
        assert testing.store_accounts()["objects"] < 20, testing.store_accounts()
        ray.shutdown()
        """,
        check=True,
    )


def test_recursion_exports_the_function_once(ray_session: Any) -> None:
    from pyray import testing

    @ray.remote
    def descend(depth: int) -> int:
        if depth == 0:
            return testing.store_accounts()["objects"]
        return ray.get(descend.remote(depth - 1))

    shallow, deep = ray.get(descend.remote(1)), ray.get(descend.remote(20))
    assert deep - shallow <= 20  # a result each, and no code


def test_options_in_a_loop_export_the_function_once() -> None:
    from pyray import testing

    @ray.remote
    def f() -> int:
        return 1

    before = testing.store_accounts()["objects"]
    refs = [f.options(name=f"f{i}").remote() for i in range(20)]
    assert testing.store_accounts()["objects"] <= before + 21
    assert ray.get(refs) == [1] * 20


def test_functions_of_a_class_run_and_bound_methods_are_refused() -> None:
    class Adder:
        base = 5

        def add(self, x: int) -> int:
            return self.base + x

        @staticmethod
        def double(x: int) -> int:
            return 2 * x

    assert ray.get(ray.remote(Adder.double).remote(4)) == 8
    assert ray.get(ray.remote(Adder.add).remote(Adder(), 1)) == 6
    with pytest.raises(TypeError, match=DECORATOR_TEXT):
        ray.remote(Adder().add)


def test_redefined_function_runs_its_new_code() -> None:
    def make(value: int) -> Any:
        @ray.remote
        def f() -> int:
            return value

        return f

    assert [ray.get(make(i).remote()) for i in range(20)] == list(range(20))


def test_remote_function_as_an_argument_and_as_a_result() -> None:
    @ray.remote
    def double(x: int) -> int:
        return 2 * x

    @ray.remote
    def call(f: Any, x: int) -> int:
        return ray.get(f.remote(x))

    @ray.remote
    def give() -> Any:
        return double

    assert ray.get(call.remote(double, 4)) == 8
    assert ray.get(ray.get(give.remote()).remote(4)) == 8


def test_decorated_function_keeps_its_wrapper() -> None:
    def twice(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return [function(*args), function(*args)]

        return wrapper

    @ray.remote
    @twice
    def f(x: int) -> int:
        return x

    assert ray.get(f.remote(1)) == [1, 1]
    with pytest.raises(TypeError, match="too many positional"):
        f.remote(1, 2)


def test_function_of_a_module_runs() -> None:
    assert ray.get(ray.remote(os.path.join).remote("a", "b")) == "a/b"


def test_function_with_a_large_captured_array_is_refused() -> None:
    captured = np.zeros(101 << 20, np.uint8)
    f = ray.remote(lambda: captured.sum())
    with pytest.raises(ValueError, match="The remote function .* is too large .* large array"):
        f.remote()
    captured = np.zeros(1 << 20, np.uint8)
    assert ray.get(f.remote()) == 0


def test_function_that_captures_a_lock_is_refused_by_name() -> None:
    import threading

    lock = threading.Lock()

    @ray.remote
    def with_lock() -> bool:
        return lock.locked()

    with pytest.raises(
        TypeError, match="remote function .*with_lock.*cannot pickle '_thread.lock'"
    ):
        with_lock.remote()


def test_functions_and_classes_of_main_run() -> None:
    run_script(
        """
        from dataclasses import dataclass
        import pyray as ray

        OFFSET = 10

        @dataclass
        class Point:
            x: int

        def helper(x):
            return x + OFFSET

        @ray.remote
        def f(x):
            return helper(x)

        @ray.remote
        def g(point):
            return Point(point.x + 1)

        if __name__ == "__main__":
            ray.init(num_cpus=1)
            assert ray.get(f.remote(1)) == 11
            result = ray.get(g.remote(Point(1)))
            assert result == Point(2) and type(result) is Point, result

            @ray.remote
            def f(x):
                return "redefined"

            assert ray.get(f.remote(1)) == "redefined"
        """,
        check=True,
    )
