"""@remote on classes: actor classes, and actors found by name."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from pyray import runtime
from pyray._core import PICKLING_ERRORS
from pyray.actor_handle import ActorHandle, ActorInfo, _load_weak
from pyray.actor_methods import is_async, methods_of
from pyray.code import Code
from pyray.demands import demand_of
from pyray.engine import ActorPlan, Engine, Submitter, TaskSpec
from pyray.exceptions import ActorAlreadyExistsError, ActorUnschedulableError
from pyray.options import ACTOR_OPTIONS, validate_actor_options
from pyray.remote_call import RemoteCallable
from pyray.serialization import unfit_argument
from pyray.signatures import CallSignature
from pyray.strategies import place_of

if TYPE_CHECKING:
    from pyray.dag.class_node import ClassNode

ASYNC_CONCURRENCY = 1000
"""So many calls of an asynchronous actor run at a time unless it says otherwise (Ray's value)."""


class ActorClass(RemoteCallable):
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
        self._groups = _groups_of(options.get("concurrency_groups"))
        self._info = ActorInfo(
            cls.__name__,
            methods_of(cls, records=options.get("enable_task_events", True)),
            tuple(self._groups),
            options.get("max_task_retries") or 0,
            max(0, options.get("max_pending_calls") or 0),
        )
        for method in self._info.methods.values():
            self._info.group_number(method.group)
        self._submitter: Submitter | None = None

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

        With the options `name` and `get_if_exists`, return the actor of that name if there is one.

        Raises:
            TypeError: If the arguments do not fit the constructor's signature.
            ActorAlreadyExistsError: If the name is taken.
        """
        self._constructor.check(args, kwargs)
        if not self._options.get("get_if_exists"):
            return self._create(args, kwargs)
        name, namespace = self._options["name"], self._options.get("namespace")
        while True:
            found = _find(name, namespace)
            if found is not None:
                return found
            try:
                return self._create(args, kwargs)
            except ActorAlreadyExistsError:  # between the two
                continue

    def _create(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActorHandle:
        submitter = self._submitter
        if submitter is None or not submitter.is_current:
            submitter = self._prepare(runtime.engine())
        try:
            handle, _created = submitter.submit(args, kwargs)
        except PICKLING_ERRORS as error:
            raise unfit_argument(self.__name__, args, kwargs, error) from error
        except ActorAlreadyExistsError:
            raise ActorAlreadyExistsError(self._name_is_taken()) from None
        return ActorHandle.of(handle, self._info)

    def _prepare(self, engine: Engine) -> Submitter:
        code, is_borrowed = self._code.find(engine)
        keeps = any(
            self._options.get(name) for name in ("num_cpus", "num_gpus", "memory", "resources")
        )
        demand = demand_of(self._options, default_cpus=1)
        spec = TaskSpec(
            f"{self.__name__}.__init__",
            1,
            demand,
            0,
            label_selector=self._options.get("label_selector") or {},
            runtime_env=self._options.get("runtime_env") or {},
            records=self._option("enable_task_events") is not False,
        )
        place = place_of(self._options, self.__name__, spec.resources if keeps else {})
        if place.unschedulable:
            raise ActorUnschedulableError(place.unschedulable)
        if place.placement is not None and not keeps:
            spec, keeps = replace(spec, resources={}), True  # to end with its group
        spec = replace(
            spec,
            placement=place.placement,
            captures=place.captures,
            inherits=place.inherits,
            label_selector={**spec.label_selector, **dict.fromkeys(place.unmet_labels, "in()")},
        )
        plan = self._plan(engine, keeps_resources=keeps)
        submitter = engine.actor(code, spec, plan, borrowed=is_borrowed)
        self._submitter = submitter
        return submitter

    def _option(self, name: str) -> Any:
        return self._options.get(name, ACTOR_OPTIONS[name].default)

    def _plan(self, engine: Engine, *, keeps_resources: bool) -> ActorPlan:
        name = self._option("name")
        runs_async = is_async(self._cls)
        concurrency = self._option("max_concurrency") or (ASYNC_CONCURRENCY if runs_async else 1)
        runs_many = runs_async or concurrency > 1 or bool(self._groups)
        out_of_order = self._option("allow_out_of_order_execution")
        loop = "" if not runs_many else "async" if runs_async else "threads"
        settings = {
            "loop": loop,
            "limits": [concurrency, *self._groups.values()],
            "groups": self._info.groups,
            "max_task_retries": self._info.max_task_retries,
            "max_pending_calls": self._info.max_pending_calls,
        }
        is_plain = not (runs_many or self._info.max_task_retries or self._info.max_pending_calls)
        return ActorPlan(
            name=name,
            namespace=self._option("namespace") or runtime.namespace(),
            about=None if name is None else engine.put(self._info),
            is_detached=self._option("lifetime") == "detached",
            out_of_order=runs_many if out_of_order is None else out_of_order,
            groups=len(self._groups),
            max_restarts=self._option("max_restarts") or 0,
            keeps_resources=keeps_resources,
            settings="" if is_plain else json.dumps(settings),
        )

    def _name_is_taken(self) -> str:
        name = self._option("name")
        namespace = self._option("namespace") or runtime.namespace()
        return (
            f"The name {name} (namespace={namespace}) is already taken. Please use a different "
            f"name or get the existing actor using ray.get_actor('{name}', namespace='{namespace}')"
        )

    def options(self, **options: Any) -> ActorClass:
        """Return the same class with other options."""
        validated = validate_actor_options(options, in_options=True)
        return ActorClass(self._code, {**self._options, **validated})

    def bind(self, /, *args: Any, **kwargs: Any) -> ClassNode:
        """Return the node of an actor with these arguments, for a graph; see `pyray.dag`."""
        from pyray.dag.class_node import ClassNode

        return ClassNode(self, args, kwargs, self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as code and options."""
        return ActorClass, (self._code, self._options)


class ActorClassInheritanceException(TypeError):  # noqa: N818  (Ray's name)
    """A class was derived from an actor class."""

    __module__ = "pyray.actor"


def make_actor_class(cls: type, options: dict[str, Any]) -> ActorClass:
    """Return the actor class of a user's class."""
    return ActorClass(cls, options)


def _groups_of(given: Any) -> dict[str, int]:
    """Return how many calls may run at a time, by group."""
    if isinstance(given, list | tuple):
        return {group["name"]: group["max_concurrency"] for group in given}
    return dict(given or {})


def get_actor(name: str, namespace: str | None = None) -> ActorHandle:
    """Return a handle of the actor of that name.

    The handle is weak: it does not keep the actor, whose other handles do, or which is detached.

    Args:
        name: The actor's name, given as the option `name` when it was made.
        namespace: Where the name is known; None: in the namespace of `ray.init`.

    Raises:
        ValueError: If there is no such actor, or `name` is empty.

    Example:
        >>> import pyray as ray
        >>> @ray.remote
        ... class Settings:
        ...     def colour(self):
        ...         return "green"
        >>> kept = Settings.options(name="settings").remote()
        >>> ray.get(ray.get_actor("settings").colour.remote())
        'green'
    """
    if not name:
        raise ValueError("Please supply a non-empty value to get_actor")
    validate_actor_options({"namespace": namespace}, in_options=True)
    found = _find(name, namespace)
    if found is None:
        raise ValueError(
            f"Failed to look up actor with name '{name}'. This could be because 1. You are trying "
            "to look up a named actor you didn't create. 2. The named actor died. 3. You did not "
            "use a namespace matching the namespace of the actor."
        )
    return found


def _find(name: str, namespace: str | None) -> ActorHandle | None:
    engine = runtime.engine()
    found = engine.find_actor(namespace or runtime.namespace(), name)
    if found is None:
        return None
    key, about = found
    id_ = key[0].to_bytes(4, "big") + key[1].to_bytes(4, "big") + about.binary()[8:12]
    return _load_weak(key, id_ + about.binary()[20:24], engine.get(about, None))


def list_named_actors(all_namespaces: bool = False) -> list[Any]:  # noqa: FBT001, FBT002  (Ray's)
    """Return the names of the actors that have one.

    Args:
        all_namespaces: Return dictionaries with `name` and `namespace`, of every namespace.
    """
    names = sorted(runtime.engine().actor_names())
    if all_namespaces:
        return [{"name": name, "namespace": namespace} for namespace, name in names]
    return [name for namespace, name in names if namespace == runtime.namespace()]
