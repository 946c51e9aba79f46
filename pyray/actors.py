"""@remote on classes: actors, their handles and methods."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from pyray import runtime
from pyray._core import PICKLING_ERRORS
from pyray.code import Code
from pyray.demands import demand_of
from pyray.engine import Submitter, TaskSpec
from pyray.options import validate_actor_options
from pyray.serialization import unfit_argument
from pyray.signatures import CallSignature

if TYPE_CHECKING:
    from pyray._core import ObjectRef


class ActorMethod:
    """One method of one actor; `handle.method.remote(...)` submits a call.

    It keeps the actor alive, but does not know the `ActorHandle` that keeps it: in a cycle, the
    actor would not end with its last handle.
    """

    __slots__ = ("_handle", "_name", "_num_returns", "_signature", "_submitter", "_title")

    def __init__(
        self, handle: ObjectRef, title: str, signature: CallSignature, num_returns: int | str
    ) -> None:
        self._handle = handle
        self._title = title  # Class.method
        self._name = title.rpartition(".")[2]
        self._signature = signature
        self._num_returns = num_returns
        self._submitter: Submitter | None = None

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a call. One caller's calls run in the order made.

        Returns:
            A reference to the result; with `num_returns` > 1 a list of them, with 0 None.

        Raises:
            TypeError: If the arguments do not fit the method's signature.
        """
        submitter = self._submitter
        if submitter is None:
            if isinstance(self._num_returns, str):
                raise NotImplementedError(
                    f"{self._title}: {self._num_returns} methods are not available "
                    "in this version of pyray."
                )
            spec = TaskSpec(self._title, self._num_returns)
            submitter = self._submitter = runtime.engine().actor_method(
                self._handle, self._name, spec
            )
        signature = self._signature
        if kwargs or not signature.min_positional <= len(args) <= signature.max_positional:
            signature.check(args, kwargs)
        try:
            return submitter.submit(args, kwargs)
        except PICKLING_ERRORS as error:
            raise unfit_argument(self._title, args, kwargs, error) from error

    def options(self, *, num_returns: int | None = None, name: str | None = None) -> ActorMethod:
        """Return the same method with other options."""
        del name
        count = self._num_returns if num_returns is None else num_returns
        return ActorMethod(self._handle, self._title, self._signature, count)

    def _remote(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        method = self.options(**options) if options else self
        return method.remote(*(args or ()), **(kwargs or {}))

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the method runs elsewhere.

        Raises:
            TypeError: Always.
        """
        del args, kwargs
        raise TypeError(
            f"Actor methods cannot be called directly. Instead of running 'object.{self._name}()', "
            f"try 'object.{self._name}.remote()'."
        )


class ActorHandle:
    """A reference to an actor.

    It can be passed to tasks and other actors, stored, hashed and compared. The actor ends when
    its last handle is gone and its calls are done.
    """

    def __init__(
        self,
        handle: ObjectRef,
        class_name: str,
        methods: dict[str, tuple[CallSignature, int | str]],
    ) -> None:
        self._handle = handle
        self._class_name = class_name
        self._methods = methods

    def __getattr__(self, name: str) -> ActorMethod:
        """Return the method of that name."""
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        try:
            signature, num_returns = self._methods[name]
        except KeyError:
            raise AttributeError(f"'{self._class_name}' object has no attribute '{name}'") from None
        title = f"{self._class_name}.{name}"
        method = ActorMethod(self._handle, title, signature, num_returns)
        self.__dict__[name] = method
        return method

    @property
    def _actor_id(self) -> Any:
        from pyray.ids import ActorID

        return ActorID(self._handle.binary()[:12] + b"\x01\x00\x00\x00")

    @property
    def _ray_actor_id(self) -> Any:
        return self._actor_id

    def __hash__(self) -> int:
        """Equal handles hash equally in every process."""
        return hash(self._handle)

    def __eq__(self, other: object) -> bool:
        """Return whether both are handles of one actor."""
        return isinstance(other, ActorHandle) and self._handle == other._handle

    def __repr__(self) -> str:
        """Name the class and the actor."""
        return f"Actor({self._class_name}, {self._actor_id.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled handle is a handle of the same actor."""
        return ActorHandle, (self._handle, self._class_name, self._methods)


class ActorClass:
    """A class whose instances live in worker processes; `Class.remote(...)` makes one.

    Example:
        >>> import pyray as ray
        >>> @ray.remote
        ... class Counter:
        ...     def __init__(self, start):
        ...         self.count = start
        ...
        ...     def add(self):
        ...         self.count += 1
        ...         return self.count
        >>> counter = Counter.remote(5)
        >>> ray.get([counter.add.remote(), counter.add.remote()])
        [6, 7]
    """

    def __init__(self, cls: type | Code, options: dict[str, Any]) -> None:
        code = cls if isinstance(cls, Code) else Code(cls)
        cls = cast("type", code.target)
        self.__name__ = cls.__name__
        self.__qualname__ = cls.__qualname__
        self.__module__ = cls.__module__
        self.__doc__ = cls.__doc__
        self._cls = cls
        self._options = options
        self._code = code
        self._constructor = CallSignature(cls)
        self._methods = _methods_of(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: instances are made with `.remote()`.

        Raises:
            TypeError: Always.
        """
        del args, kwargs
        name = self.__name__
        raise TypeError(
            f"Actors cannot be instantiated directly. Instead of '{name}()', use '{name}.remote()'."
        )

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        """Refuse to be a base class.

        Raises:
            ActorClassInheritanceException: Always.
        """
        raise ActorClassInheritanceException(
            f"Inheriting from actor classes is not currently supported. {self.__name__} is an "
            "actor class: decorate the subclass only, and inherit from the undecorated class."
        )

    def __getattr__(self, name: str) -> Any:
        """Class and static methods work on the class itself."""
        if name.startswith("_"):
            raise AttributeError(name)
        attribute = inspect.getattr_static(self._cls, name, None)
        if isinstance(attribute, classmethod | staticmethod):
            return getattr(self._cls, name)
        raise AttributeError(f"actor class '{self.__name__}' has no attribute '{name}'")

    def remote(self, /, *args: Any, **kwargs: Any) -> ActorHandle:
        """Create an actor: a process in which the constructor runs with these arguments.

        Raises:
            TypeError: If the arguments do not fit the constructor's signature.
        """
        self._constructor.check(args, kwargs)
        engine = runtime.engine()
        code, _ = self._code.find(engine)
        spec = TaskSpec(
            f"{self.__name__}.__init__",
            1,
            demand_of(self._options, default_cpus=1),
            0,
            label_selector=self._options.get("label_selector") or {},
            runtime_env=self._options.get("runtime_env") or {},
        )
        keeps = any(
            self._options.get(name) for name in ("num_cpus", "num_gpus", "memory", "resources")
        )
        if self._options.get("num_cpus") is None and keeps:
            spec = replace(spec, resources=demand_of(self._options, default_cpus=0))
        submitter = engine.actor(code, spec, keeps_resources=keeps)
        try:
            handle, _created = submitter.submit(args, kwargs)
        except PICKLING_ERRORS as error:
            raise unfit_argument(self.__name__, args, kwargs, error) from error
        return ActorHandle(handle, self.__name__, self._methods)

    def options(self, **options: Any) -> ActorClass:
        """Return the same class with other options."""
        validated = validate_actor_options(options, in_options=True)
        _refuse_unsupported(validated)
        return ActorClass(self._code, {**self._options, **validated})

    def _remote(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> ActorHandle:
        """Create with explicit arguments and options."""
        actor_class = self.options(**options) if options else self
        return actor_class.remote(*(args or ()), **(kwargs or {}))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as code and options."""
        return ActorClass, (self._code, self._options)


class ActorClassInheritanceException(TypeError):  # noqa: N818  (Ray's name)
    """A class was derived from an actor class."""


UNSUPPORTED = ("max_restarts", "lifetime", "get_if_exists", "concurrency_groups")


def _refuse_unsupported(options: dict[str, Any]) -> None:
    """What would silently mean something else is refused until it exists."""
    for name in UNSUPPORTED:
        if options.get(name):
            raise NotImplementedError(
                f"The actor option '{name}' is not available in this version of pyray."
            )
    if options.get("name") is not None:
        raise NotImplementedError("Named actors are not available in this version of pyray.")
    if (options.get("max_concurrency") or 1) > 1:
        raise NotImplementedError("max_concurrency > 1 is not available in this version of pyray.")


def make_actor_class(cls: type, options: dict[str, Any]) -> ActorClass:
    """Return the actor class of a user's class."""
    _refuse_unsupported(options)
    return ActorClass(cls, options)


def _methods_of(cls: type) -> dict[str, tuple[CallSignature, int | str]]:
    """Return signature and number of results of each method; a word for what is not available."""
    methods: dict[str, tuple[CallSignature, int | str]] = {}
    for name, function in inspect.getmembers(cls, callable):
        if name.startswith("__") and name.endswith("__") and name != "__call__":
            continue
        if inspect.isfunction(inspect.unwrap(function)) or inspect.ismethod(function):
            count = getattr(function, "__ray_num_returns__", _default_returns(function))
            methods[name] = (CallSignature.of_method(cls, name), count)
    return methods


def _default_returns(function: Any) -> int | str:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "async"
    return "generator" if inspect.isgeneratorfunction(function) else 1


def method(*args: Any, **kwargs: Any) -> Any:
    """Set options of an actor's method: `@ray.method(num_returns=2)`.

    Example:
        >>> import pyray as ray
        >>> @ray.remote
        ... class Divider:
        ...     @ray.method(num_returns=2)
        ...     def divide(self, a, b):
        ...         return a // b, a % b
        >>> ray.get(Divider.remote().divide.remote(7, 2))
        [3, 1]

    Raises:
        ValueError: If an option is unknown or not available.
    """
    if args or not kwargs:
        raise ValueError(
            "The @ray.method decorator must be applied using at least one of the arguments, "
            "for example @ray.method(num_returns=2)."
        )
    unknown = set(kwargs) - {"num_returns"}
    if unknown:
        raise ValueError(
            f"@ray.method: {', '.join(sorted(unknown))} is not available in this version of pyray."
        )

    def annotate(function: Any) -> Any:
        function.__ray_num_returns__ = kwargs["num_returns"]
        return function

    return annotate
