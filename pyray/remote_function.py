"""@remote on functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from pyray import runtime
from pyray._core import PICKLING_ERRORS
from pyray.code import Code, Wrapping
from pyray.demands import demand_of
from pyray.engine import Submitter, TaskSpec
from pyray.exceptions import TaskUnschedulableError
from pyray.options import TASK_OPTIONS, default_max_retries, validate_task_options
from pyray.remote_call import RemoteCallable
from pyray.serialization import unfit_argument
from pyray.signatures import CallSignature
from pyray.strategies import place_of

if TYPE_CHECKING:
    from pyray.dag.function_node import FunctionNode


class Unschedulable:
    """Stands for calls that can run nowhere: their results are the error that says so."""

    is_current = False

    def __init__(self, error: Exception, spec: TaskSpec) -> None:
        self.error = error
        self.num_returns = spec.num_returns

    def submit(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        """Return references to the error."""
        del args, kwargs
        if not isinstance(self.num_returns, int):  # a stream has no end to put it into
            raise self.error
        refs = [runtime.engine().failed(self.error) for _ in range(self.num_returns)]
        return refs[0] if self.num_returns == 1 else refs or None


class RemoteFunction(RemoteCallable):
    """A function that runs in a worker process.

    Made by `@ray.remote`; `f.remote(...)` submits a task and returns at once.

    Example:
        >>> import pyray as ray
        >>> @ray.remote
        ... def square(x):
        ...     return x * x
        >>> ray.get(square.remote(4))
        16
    """

    __name__: str
    __qualname__: str

    def __init__(self, function: Callable[..., Any] | Code, options: dict[str, Any]) -> None:
        code = function if isinstance(function, Code) else Code(function)
        function = code.target
        if inspect.iscoroutinefunction(function):
            raise ValueError(
                "'async def' should not be used for remote tasks. You can wrap the async function "
                "with `asyncio.run(f())` and declare the wrapper a remote function instead."
            )
        functools.update_wrapper(self, function)
        self._function = function
        self._options = options
        self._signature: CallSignature | None = None
        self._submitter: Submitter | None = None
        self._code = code

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a remote function is not called directly.

        Raises:
            TypeError: Always.
        """
        del args, kwargs
        name = self._function_name
        raise TypeError(
            f"Remote functions cannot be called directly. Instead of running '{name}()', "
            f"try '{name}.remote()'."
        )

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a task.

        Args:
            *args: Arguments of the function. A reference in argument position is replaced by its
                value before the function is called; a reference inside another value stays a
                reference.
            **kwargs: Likewise.

        Returns:
            A reference to the result; with `num_returns` > 1 a list of them, with 0 None; of a
            function that yields, an `ObjectRefGenerator`.

        Raises:
            TypeError: If the arguments do not fit the function's signature.
        """
        submitter = self._submitter
        signature = self._signature
        if submitter is None or signature is None or not submitter.is_current:
            submitter, signature = self._prepare()
        if kwargs or not signature.min_positional <= len(args) <= signature.max_positional:
            signature.check(args, kwargs)
        try:
            return submitter.submit(args, kwargs)
        except PICKLING_ERRORS as error:
            raise unfit_argument(self.__name__, args, kwargs, error) from error

    @property
    def _function_name(self) -> str:
        return f"{self.__module__}.{self.__name__}"

    def options(self, **options: Any) -> RemoteFunction:
        """Return the same function with other options."""
        validated = validate_task_options(options, in_options=True)
        return RemoteFunction(self._code, {**self._options, **validated})

    def bind(self, /, *args: Any, **kwargs: Any) -> FunctionNode:
        """Return the node of a task with these arguments, for a graph; see `pyray.dag`."""
        from pyray.dag.function_node import FunctionNode

        return FunctionNode(self, args, kwargs, self._options)

    def _prepare(self) -> tuple[Submitter, CallSignature]:
        engine = runtime.engine()
        signature = self._signature
        if signature is None:
            signature = self._signature = CallSignature(self._function)
        spec = self._spec()
        place = place_of(self._options, spec.name, spec.resources)
        if place.unschedulable:
            return Unschedulable(TaskUnschedulableError(place.unschedulable), spec), signature
        spec = replace(
            spec,
            placement=place.placement,
            captures=place.captures,
            inherits=place.inherits,
            label_selector={**spec.label_selector, **dict.fromkeys(place.unmet_labels, "in()")},
        )
        ref, is_borrowed = self._code.find(engine, self._wrapping(spec))
        submitter = self._submitter = engine.task(ref, spec, borrowed=is_borrowed)
        return submitter, signature

    def _option(self, name: str) -> Any:
        return self._options.get(name, TASK_OPTIONS[name].default)

    def _spec(self) -> TaskSpec:
        num_returns = self._option("num_returns")
        yields = inspect.isgeneratorfunction(self._function)
        if num_returns is None:
            num_returns = "streaming" if yields else 1
        if isinstance(num_returns, str) and not yields:
            raise ValueError(
                f"num_returns='{num_returns}' can only be used with generator functions (functions "
                "that use 'yield'). The decorated function is not a generator function."
            )
        max_retries = self._options.get("max_retries")
        return TaskSpec(
            name=self._option("name") or self.__qualname__.rpartition("<locals>.")[2],
            num_returns=num_returns,
            resources=demand_of(self._options, default_cpus=1),
            max_retries=default_max_retries() if max_retries is None else max_retries,
            label_selector=self._option("label_selector") or {},
            runtime_env=self._option("runtime_env") or {},
            records=self._option("enable_task_events") is not False,
            stream_limit=max(0, self._option("_generator_backpressure_num_objects") or 0),
        )

    def _wrapping(self, spec: TaskSpec) -> Wrapping | None:
        wanted = self._option("retry_exceptions")
        max_calls = self._option("max_calls")
        if max_calls is None or (max_calls == 0 and "max_calls" not in self._options):
            # A process keeps what libraries have allocated on a GPU.
            max_calls = 1 if self._options.get("num_gpus") else 0
        retries = spec.max_retries if wanted else 0
        if retries == 0 and not max_calls:
            return None
        kinds = () if retries == 0 else (Exception,) if wanted is True else tuple(wanted)
        return Wrapping(kinds, retries, max_calls or 0)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as code and options."""
        return RemoteFunction, (self._code, self._options)
