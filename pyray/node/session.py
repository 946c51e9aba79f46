"""init, shutdown, is_initialized: the driver's side of a session."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from pyray import gpus, interrupts, machine, runtime, settings
from pyray.job_config import JobConfig, within_job
from pyray.local_mode.engine import InlineEngine
from pyray.logging_config import LoggingConfig
from pyray.node import joining, session_folder
from pyray.node.joined_engine import JoinConfig, JoinedEngine
from pyray.node.local_engine import LocalConfig, LocalEngine
from pyray.node.memory_monitor import MemorySettings
from pyray.options import resource_name_problem
from pyray.runtime_env import validated
from pyray.worker import repeats

logger = logging.getLogger("pyray")

MIN_OBJECT_STORE_BYTES = 4 << 20
LARGEST_AMOUNT = 10**15
"""Of a resource: the tables count in parts of 10,000."""
MACHINE = ("num_cpus", "num_gpus", "resources", "labels")
OTHERS = {"object_spilling_directory"}
"""Parameters that Ray takes without naming them."""
TWICE = (
    "Maybe you called ray.init twice by accident? This error can be suppressed by passing "
    "in 'ignore_reinit_error=True' or by calling 'ray.shutdown()' prior to 'ray.init()'."
)


@dataclass(frozen=True, slots=True)
class RayContext:
    """What `init()` returns; as a context manager it shuts the session down at the end."""

    address_info: Mapping[str, Any]
    dashboard_url: str | None
    python_version: str
    ray_version: str

    def __getitem__(self, key: str) -> Any:
        """Return one item of `address_info`."""
        return self.address_info[key]

    def disconnect(self) -> None:
        """End the session."""
        shutdown()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the session."""
        shutdown()


_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Turn:
    """Of several threads that start or end the session, one does so at a time."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Make a lock that nobody holds: in a forked child the holder may not exist."""
        self.lock = threading.RLock()


_turn = _Turn()


def _one_at_a_time(function: Callable[_P, _R]) -> Callable[_P, _R]:
    @functools.wraps(function)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with _turn.lock, interrupts.deferred():
            return function(*args, **kwargs)

    return wrapper


@_one_at_a_time
def init(  # noqa: PLR0913  (Ray's parameters; not all have an effect)
    address: str | None = None,
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    resources: dict[str, float] | None = None,
    labels: dict[str, str] | None = None,
    object_store_memory: int | None = None,
    local_mode: bool = False,
    ignore_reinit_error: bool = False,
    include_dashboard: bool | None = None,
    dashboard_host: str = "127.0.0.1",
    dashboard_port: int | None = None,
    job_config: Any = None,
    configure_logging: bool = True,
    logging_level: int = logging.INFO,
    logging_format: str | None = None,
    logging_config: Any = None,
    log_to_driver: bool = True,
    namespace: str | None = None,
    runtime_env: dict[str, Any] | None = None,
    enable_resource_isolation: bool = False,
    system_reserved_cpu: float | None = None,
    system_reserved_memory: int | None = None,
    **kwargs: Any,
) -> RayContext:
    """Start a session, or join one: shared memory, and a supervisor that starts workers.

    Needs no port and no network, and leaves nothing behind, however the program ends.

    Args:
        address: "local": a session of one's own. "auto": join the one that `PYRAY_ADDRESS` or
            `RAY_ADDRESS` names, else the newest that runs, one of `pyray start --head` first. The
            folder of a session, or the beginning of its id: join that. None: as the environment
            says; else as "auto" if a head runs, else "local".
        num_cpus: CPUs that tasks share; default: what affinity and cgroup allow this process.
        num_gpus: GPUs to declare; default: those that this process may use.
        labels: Labels of this machine, for the option `label_selector`.
        resources: Further resources by name.
        object_store_memory: Size of the object store in bytes; default: 30 % of the memory that
            machine and cgroup have available. Only what is used takes memory.
        ignore_reinit_error: Return instead of raising if there is a session already.
        configure_logging: Set the level of the logger "pyray" to `logging_level`.
        logging_config: A `pyray.LoggingConfig`: how `logging` writes, here and in workers.
        log_to_driver: Show the output of workers, each line marked with `(name pid=…)`; False: it
            goes to log files only.
        namespace: Name space of named actors; default: one of one's own.
        runtime_env: What workers are set up with; see `docs/runtime-env.md`.
        job_config: A `pyray.job_config.JobConfig`.
        kwargs: `object_spilling_directory` or `_temp_dir`: in which directory the session makes the
            one for objects that the store has no room for; default: the largest one on a disk.
            `_metrics_export_port`: where Prometheus finds metrics; see `docs/metrics.md`.
        local_mode: Run tasks and actors in this process, for debugging. All other parameters of
            Ray's are without effect.

    Returns:
        A context with `address_info`; usable in a `with` statement.

    Raises:
        RuntimeError: If there is a session already, or an argument is unknown.
        ValueError: If an argument has an impossible value, or does not go with joining.
        ConnectionError: If `address` names no session that runs here.
        RaySystemError: If the shared memory or the supervisor cannot be made.

    Example:
        >>> import pyray as ray
        >>> with ray.init(num_cpus=2):
        ...     ray.get(ray.put("hello"))
        'hello'
    """
    _check_arguments(kwargs)
    job = job_config if isinstance(job_config, JobConfig) else JobConfig()
    if is_initialized():
        return _present_context(accepts=ignore_reinit_error or runtime.is_worker())
    logger.setLevel(logging_level if configure_logging else logger.level)
    _forget_inherited()
    machine_arguments = dict(zip(MACHINE, (num_cpus, num_gpus, resources, labels), strict=True))
    machine_arguments["object_store_memory"] = object_store_memory
    space = _checked_namespace(job.ray_namespace if namespace is None else namespace)
    found = None if local_mode else _session_to_join(address, machine_arguments)
    logs = _set_up_logging(logging_config)
    environment = _environment(runtime_env, job)
    if found is not None:
        return _join(JoinConfig(found, space, environment, log_to_driver, logs), kwargs)
    config = machine_config(machine_arguments, kwargs)
    config.log_to_driver, config.logging = log_to_driver, logs
    config.preload = ["cloudpickle", *(["numpy"] if "numpy" in sys.modules else [])]
    config.runtime_env, config.namespace = environment, space
    _begin(config, kwargs, local_mode=local_mode)
    return _context()


def _checked_namespace(namespace: str | None) -> str:
    if namespace is not None and not isinstance(namespace, str):
        raise TypeError(f"The namespace must be a string, got {type(namespace)}")
    return namespace or ""


def _join(config: JoinConfig, others: dict[str, Any]) -> RayContext:
    """Become a driver of a session that runs."""
    config.namespace = config.namespace or anonymous_namespace()
    runtime.set_engine(JoinedEngine(config), namespace=config.namespace)
    _open_metrics_port(others)
    return _context()


def machine_config(arguments: Mapping[str, Any], others: dict[str, Any]) -> LocalConfig:
    """Return what a session starts with that offers this machine.

    Args:
        arguments: `num_cpus`, `num_gpus`, `resources`, `labels`, `object_store_memory`; see `init`.
        others: `object_spilling_directory` or `_temp_dir`.
    """
    return LocalConfig(
        object_store_bytes=_store_bytes(arguments["object_store_memory"]),
        resources=_resources(*(arguments[name] for name in ("num_cpus", "num_gpus", "resources"))),
        labels=_labels(arguments["labels"]),
        restart_limit=settings.ACTOR_RESTART_LIMIT.integer(),
        restart_window_ms=round(settings.ACTOR_RESTART_WINDOW_S.value() * 1000),
        memory=MemorySettings.from_environment(os.environ),
        spill_directory=_spill_directory(others),
        folder=_temporary_directory(others),
    )


def _begin(config: LocalConfig, others: dict[str, Any], *, local_mode: bool) -> None:
    kind = InlineEngine if local_mode else LocalEngine
    runtime.set_engine(kind(config), namespace=config.namespace)
    _open_metrics_port(others)


def _environment(own: dict[str, Any] | None, job: JobConfig) -> dict[str, Any]:
    return validated(within_job(job.runtime_env if own is None else own))


def _present_context(*, accepts: bool) -> RayContext:
    if not accepts:
        raise RuntimeError(TWICE)
    return _context()


def _set_up_logging(config: Any) -> dict[str, Any] | None:
    """Apply a LoggingConfig, and return what workers need to do the same."""
    if config is None:
        return None
    if not isinstance(config, LoggingConfig):
        raise TypeError(f"logging_config: expected a LoggingConfig, got {config!r}")
    config.apply()
    return asdict(config)


def _check_arguments(others: dict[str, Any]) -> None:
    settings.check()
    _metrics_port(others)
    repeats.Settings.from_environment(os.environ)
    unknown = [name for name in others if not name.startswith("_") and name not in OTHERS]
    if unknown:
        raise RuntimeError(f"Unknown keyword argument(s): {', '.join(unknown)}")


def ensure_session(num_cpus: int | None, address: str | None = None) -> None:
    """Be in a session: this process's, else the one that `init(address)` joins, else a new one.

    Args:
        num_cpus: How many a new one offers; None: as `init` counts them.
        address: As for `init`.

    Raises:
        ConnectionError: If the address names no session.
    """
    if not is_initialized():
        joins = _session_to_join(address, {}) is not None
        init(address=address, num_cpus=None if joins else num_cpus)


def _session_to_join(
    address: str | None, machine_arguments: dict[str, Any]
) -> session_folder.FoundSession | None:
    """Return which session to join; None: it is to be one of our own."""
    given = [name for name, value in machine_arguments.items() if value is not None]
    address = address or joining.address_from_environment()
    if address is None:
        found = next((one for one in session_folder.find() if one.about.head), None)
    elif not isinstance(address, str):
        raise TypeError(f"address: expected a text, got {address!r}")
    else:
        found = None if address == "local" else joining.session_at(address)
    if found is not None and given:
        raise ValueError(
            f"When connecting to an existing session, {' and '.join(given)} must not be provided. "
            "(address='local' starts one of one's own.)"
        )
    return found


def anonymous_namespace() -> str:
    """Return a name space that nobody else has."""
    text = os.urandom(16).hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _temporary_directory(others: dict[str, Any]) -> str | None:
    value = others.get("_temp_dir")
    return os.fsdecode(value) if isinstance(value, (str, os.PathLike)) and value else None


def _metrics_port(others: dict[str, Any]) -> int:
    port = others.get("_metrics_export_port")
    if port is None:
        return settings.METRICS_EXPORT_PORT.integer()
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"_metrics_export_port: expected a port from 0 to 65535, got {port!r}")
    return port


def _open_metrics_port(others: dict[str, Any]) -> None:
    if (port := _metrics_port(others)) < 0:
        return
    from pyray.metrics import export

    try:
        export.open_port(port)
    except BaseException:
        shutdown()
        raise


def _close_metrics_port() -> None:
    if (module := sys.modules.get("pyray.metrics.export")) is not None:
        module.close_port()


def _stop_counting() -> None:
    if (module := sys.modules.get("pyray.metrics.recorder")) is not None:
        module.recorder.leave_session()


def _labels(labels: dict[str, str] | None) -> dict[str, str]:
    for name, value in cast("dict[object, object]", labels or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"labels: names and values must be strings, not {name!r}: {value!r}")
    return dict(labels or {})


def _gpus(asked: float | None) -> float:
    names = gpus.visible()
    if asked is None:
        return min(gpus.count(), gpus.MOST)
    if names is not None and asked > len(names):
        raise ValueError(
            f"Attempting to start raylet with {asked:g} GPU, but {gpus.VARIABLE} contains {names}."
        )
    if asked > gpus.MOST:
        raise ValueError(f"num_gpus: at most {gpus.MOST} are possible, got {asked:g}")
    return asked


def _spill_directory(others: dict[str, Any]) -> str | None:
    for name in ("object_spilling_directory", "_temp_dir"):
        value = others.get(name)
        if value is None:
            continue
        if not isinstance(value, (str, os.PathLike)):
            raise TypeError(f"{name}: expected the path of a directory, got {value!r}")
        if not os.fspath(value):
            raise ValueError(f"{name}: expected the path of a directory, got an empty one")
        return os.fsdecode(value)
    return None


def _store_bytes(asked: int | None) -> int:
    if asked is None:
        return machine.default_object_store_bytes()
    if isinstance(asked, bool) or not isinstance(asked, int):
        raise TypeError(f"object_store_memory: expected a number of bytes, got {asked!r}")
    if asked < MIN_OBJECT_STORE_BYTES:
        raise ValueError(
            f"object_store_memory: at least {MIN_OBJECT_STORE_BYTES} bytes are needed, got {asked}"
        )
    if asked > sys.maxsize:
        raise ValueError(f"object_store_memory: at most {sys.maxsize} bytes, got {asked}")
    return asked


def _resources(
    num_cpus: float | None, num_gpus: float | None, custom: dict[str, float] | None
) -> dict[str, float]:
    totals: dict[str, float] = {
        "CPU": machine.cpu_count() if num_cpus is None else num_cpus,
        "GPU": _gpus(num_gpus),
        "memory": float(machine.memory_available()),
        "node:127.0.0.1": 1.0,
        "node:__internal_head__": 1.0,
    }
    for name, amount in (custom or {}).items():
        if name in {"CPU", "GPU"}:
            raise ValueError(
                f"Use the 'num_{name.lower()}s' keyword instead of '{name}' in 'resources'"
            )
        if not isinstance(name, str):
            raise TypeError(f"resources: names must be strings, not {name!r}")
        if problem := resource_name_problem(name):
            raise ValueError(problem)
        totals[name] = amount
    for name, amount in totals.items():
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise TypeError(f"resource {name!r}: expected a number, got {amount!r}")
        if not 0 <= amount < float("inf"):
            raise ValueError(f"resource {name!r}: expected a number >= 0, got {amount!r}")
        if amount > LARGEST_AMOUNT:
            raise ValueError(f"resource {name!r}: at most {LARGEST_AMOUNT:g}, got {amount!r}")
    return {name: amount for name, amount in totals.items() if amount or name == "CPU"}


def _context() -> RayContext:
    from pyray import __version__

    folder = session_path()
    info = {
        "node_ip_address": "127.0.0.1",
        "address": folder or "local",
        "session_dir": folder,
        "webui_url": None,
        "node_id": runtime.engine().nodes()[0]["NodeID"],
    }
    return RayContext(info, None, sys.version.split()[0], __version__)


def session_path() -> str:
    """Return the folder of this process's session; "" if there is none."""
    engine = runtime.present()
    if isinstance(engine, JoinedEngine):
        return engine.session.path
    if isinstance(engine, LocalEngine):
        return engine.folder.path
    return settings.SESSION_FOLDER.text()


@_one_at_a_time
def shutdown(_exiting_interpreter: bool = False) -> None:  # noqa: FBT001, FBT002  (as in Ray)
    """End the session: its workers, objects and everything they started are gone when this returns.

    A session that was joined goes on; only what this program has in it ends, but for detached
    actors. Takes at most about a second, whatever the tasks do. Without a session it does nothing.
    """
    engine = runtime.present()
    if engine is None or runtime.is_worker():
        return
    ours = runtime.is_ours()
    _close_metrics_port()
    runtime.set_engine(None)
    _stop_counting()
    if ours:
        engine.shutdown()
    elif isinstance(engine, LocalEngine | InlineEngine | JoinedEngine):
        engine.forget()


def _forget_inherited() -> None:
    """In a forked child: the parent's session is not ours."""
    if runtime.present() is not None and not runtime.is_ours():
        shutdown()


@_one_at_a_time
def _start_for_lack_of_init() -> None:
    """Start with default settings, unless another thread has done so in the meantime."""
    if not is_initialized():
        init()


def is_initialized() -> bool:
    """Return whether this process has a session."""
    return runtime.is_ours()


runtime.start_with(_start_for_lack_of_init)
atexit.register(shutdown)
