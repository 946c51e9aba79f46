"""Handles of actors and their methods: what the callers of an actor have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from pyray import _core, runtime
from pyray._core import PICKLING_ERRORS
from pyray.actor_methods import SPECIAL, Method
from pyray.engine import Submitter, TaskSpec
from pyray.exceptions import ActorDiedError, ReferenceCountingAssertionError
from pyray.options import validate_method_options
from pyray.remote_call import RemoteCallable
from pyray.serialization import unfit_argument

if TYPE_CHECKING:
    from pyray._core import ObjectRef


@dataclass(frozen=True, slots=True)
class ActorInfo:
    """What callers must know about an actor; travels with its handles.

    Args:
        class_name: Name of its class.
        methods: Its methods by name.
        groups: Names of its concurrency groups, in the order of their numbers from 1 on.
        max_task_retries: How often a call runs again when the process dies and restarts.
        max_pending_calls: So many calls may be unfinished; 0 for any number.
    """

    class_name: str
    methods: dict[str, Method]
    groups: tuple[str, ...] = ()
    max_task_retries: int = 0
    max_pending_calls: int = 0

    def method(self, name: str) -> Method | None:
        """Return the method of that name."""
        return self.methods.get(name) or SPECIAL.get(name)

    def group_number(self, name: str) -> int:
        """Return the number of a concurrency group.

        Raises:
            ValueError: If the actor has no such group.
        """
        if not name or name == "_ray_system":
            return 0
        if name not in self.groups:
            raise ValueError(
                f"{self.class_name} has no concurrency group {name!r}; it has {list(self.groups)}."
            )
        return self.groups.index(name) + 1


def actor_id_of(handle: ObjectRef) -> bytes:
    """Return the bytes of the actor's id: its own, and its job's."""
    own = handle.binary()
    return own[:12] + own[20:24]


class ActorTarget:
    """Which actor a handle and its methods mean: with a reference that keeps it, or without one."""

    __slots__ = ("id", "key", "ref")

    def __init__(self, ref: ObjectRef, *, weak: bool = False) -> None:
        self.ref = None if weak else ref
        self.key = _core.ref_key(ref)
        self.id = actor_id_of(ref)

    def strong(self) -> ObjectRef:
        """Return a reference that keeps the actor.

        Raises:
            ReferenceCountingAssertionError: If nobody has kept it.
        """
        if self.ref is not None:
            return self.ref
        if self.id[8:12] != _core.nonce().to_bytes(8, "big")[:4]:
            raise ReferenceCountingAssertionError("the actor belongs to another session")
        return _core.load_ref(*self.key)

    def is_there(self) -> bool:
        """Return whether anybody keeps the actor."""
        try:
            self.strong()
        except ReferenceCountingAssertionError:
            return False
        return True


class ActorMethod(RemoteCallable):
    """One method of one actor; `handle.method.remote(...)` submits a call.

    It keeps the actor alive as its handle does, but does not know the `ActorHandle` that keeps it:
    in a cycle, the actor would not end with its last handle.
    """

    __slots__ = ("_info", "_method", "_name", "_retry_on", "_submitter", "_target", "_title")

    def __init__(
        self,
        target: ActorTarget,
        info: ActorInfo,
        name: str,
        method: Method,
        title: str | None = None,
    ) -> None:
        self._target = target
        self._info = info
        self._name = name
        self._method = method
        self._title = title or f"{info.class_name}.{name}"
        self._retry_on: tuple[type[BaseException], ...] | None = None
        self._submitter: Submitter | None = None

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a call. One caller's calls run in the order made.

        Returns:
            A reference to the result; with `num_returns` > 1 a list of them, with 0 None; of a
            method that yields, an `ObjectRefGenerator`.

        Raises:
            TypeError: If the arguments do not fit the method's signature.
            PendingCallsLimitExceeded: If `max_pending_calls` calls are unfinished.
        """
        submitter = self._submitter
        signature = self._method.signature
        if kwargs or not signature.min_positional <= len(args) <= signature.max_positional:
            signature.check(args, kwargs)
        try:
            if submitter is None:
                submitter = self._prepare()
            if self._retry_on is not None:
                args = (self._name, self._retry_on, *args)
            return submitter.submit(args, kwargs)
        except PICKLING_ERRORS as error:
            raise unfit_argument(self._title, args, kwargs, error) from error
        except ReferenceCountingAssertionError as error:
            return self._call_of_gone_actor(error)

    def _prepare(self) -> Submitter:
        method, info = self._method, self._info
        retries = method.max_task_retries
        spec = TaskSpec(
            self._title,
            method.num_returns,
            max_retries=info.max_task_retries if retries is None else retries,
            group=info.group_number(method.group),
            most_calls=info.max_pending_calls,
            stream_limit=method.stream_limit,
            records=method.records,
        )
        name = self._name if self._retry_on is None else "__ray_retry__"
        submitter = self._submitter = runtime.engine().actor_method(
            self._target.strong(), name, spec, borrowed=self._target.ref is None
        )
        return submitter

    def _call_of_gone_actor(self, error: ReferenceCountingAssertionError) -> Any:
        """A handle that does not keep its actor may outlive it: the call fails as others do."""
        if self._target.is_there():
            raise error  # it is an argument that is gone
        reason = "It has ended: its last handle is gone."
        details: dict[str, object] = {"class_name": self._info.class_name}
        died = ActorDiedError(actor_id=self._target.id.hex(), reason=reason, details=details)
        if isinstance(self._method.num_returns, str):
            raise died
        refs = [_core.put_error(died) for _ in range(self._method.num_returns)]
        return refs[0] if len(refs) == 1 else refs or None

    def options(self, **options: Any) -> ActorMethod:
        """Return the same method with other options: those of `ray.method`, and `name`.

        Raises:
            ValueError: If an option is unknown or has a wrong value.
        """
        title = options.pop("name", None)
        validated = validate_method_options(options)
        changes = {
            name: value
            for name, value in (
                ("num_returns", validated.get("num_returns")),
                ("group", validated.get("concurrency_group")),
                ("max_task_retries", validated.get("max_task_retries")),
                ("records", validated.get("enable_task_events")),
            )
            if value is not None
        }
        if (limit := validated.get("_generator_backpressure_num_objects")) is not None:
            changes["stream_limit"] = max(0, limit)
        method = replace(self._method, **changes)
        self._info.group_number(method.group)
        changed = ActorMethod(self._target, self._info, self._name, method, title or self._title)
        wanted = validated.get("retry_exceptions")
        if wanted is None:
            changed._retry_on = self._retry_on
        else:
            changed._retry_on = (Exception,) if wanted is True else tuple(wanted or ())
        return changed

    def bind(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the node of a call with these arguments, for a graph; see `pyray.dag`.

        Raises:
            TypeError: If the arguments do not fit the method's signature.
        """
        from pyray.dag.class_node import bind_method

        self._method.signature.check(args, kwargs)
        handle = ActorHandle(self._target, self._info)
        return bind_method(handle, self._name, self._changes(), args, kwargs)

    def _changes(self) -> dict[str, Any]:
        """Return the options that are not those of the class."""
        usual = self._info.method(self._name) or self._method
        names = {
            "num_returns": "num_returns",
            "concurrency_group": "group",
            "max_task_retries": "max_task_retries",
            "_generator_backpressure_num_objects": "stream_limit",
        }
        changes = {
            option: getattr(self._method, field)
            for option, field in names.items()
            if getattr(self._method, field) != getattr(usual, field)
        }
        if self._title != f"{self._info.class_name}.{self._name}":
            changes["name"] = self._title
        if self._retry_on is not None:
            changes["retry_exceptions"] = list(self._retry_on)
        return changes

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
    its last handle is gone and its calls are done. Handles from `ray.get_actor` and of
    `get_runtime_context().current_actor` are weak: they do not keep the actor.
    """

    def __init__(self, target: ActorTarget, info: ActorInfo) -> None:
        self._target = target
        self._info = info

    @classmethod
    def of(cls, ref: ObjectRef, info: ActorInfo, *, weak: bool = False) -> ActorHandle:
        """Return the handle of the actor whose handle object this is."""
        return cls(ActorTarget(ref, weak=weak), info)

    def __getattr__(self, name: str) -> ActorMethod:
        """Return the method of that name."""
        info = self.__dict__.get("_info")
        if info is None:  # a copy that is being made
            raise AttributeError(name)
        found = info.method(name)
        if found is None:
            raise AttributeError(f"'{self._info.class_name}' object has no attribute '{name}'")
        method = ActorMethod(self._target, self._info, name, found)
        self.__dict__[name] = method
        return method

    @property
    def _handle(self) -> ObjectRef:
        return self._target.strong()

    @property
    def _actor_id(self) -> Any:
        from pyray.ids import ActorID

        return ActorID(self._target.id)

    @property
    def _ray_actor_id(self) -> Any:
        return self._actor_id

    @property
    def _ray_is_weak(self) -> bool:
        return self._target.ref is None

    def __hash__(self) -> int:
        """Equal handles hash equally in every process."""
        return hash(self._target.key)

    def __eq__(self, other: object) -> bool:
        """Return whether both are handles of one actor."""
        return isinstance(other, ActorHandle) and self._target.id == other._target.id

    def __repr__(self) -> str:
        """Name the class and the actor."""
        return f"Actor({self._info.class_name}, {self._target.id.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled handle is a handle of the same actor, weak if this one is."""
        if self._target.ref is None:
            return _load_weak, (self._target.key, self._target.id, self._info)
        return _load, (self._target.ref, self._info)


def _load(ref: ObjectRef, info: ActorInfo) -> ActorHandle:
    return ActorHandle(ActorTarget(ref), info)


def _load_weak(key: tuple[int, int], id_: bytes, info: ActorInfo) -> ActorHandle:
    target = ActorTarget.__new__(ActorTarget)
    target.ref, target.key, target.id = None, key, id_
    return ActorHandle(target, info)
