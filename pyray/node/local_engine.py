"""The engine of one machine: a session of the compiled core, and the supervisor beside it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from pyray import _core, as_ray, journal
from pyray.core_engine import UNIT, UNKNOWN, CoreEngine
from pyray.descriptors import above_standard
from pyray.exceptions import RaySystemError
from pyray.node import session_folder, spill
from pyray.node.memory_monitor import MemorySettings
from pyray.node.session_folder import LOGS, Description
from pyray.observability.unread import MOST_AT_END
from pyray.settings import (
    ACTOR_RESTART_LIMIT,
    ACTOR_RESTART_WINDOW_S,
    LABELS,
    METRICS_FOLDER,
    SESSION_FOLDER,
    SESSION_ID,
)

SHUTDOWN_S = 1.0
THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
PRELOADED = ("cloudpickle", "numpy")
"""Modules that the supervisor imports if a driver uses them, so that workers have them."""
STARTS_THREADS = {"numpy"}
"""Modules that start as many threads as the settings say when they are imported."""
START = (
    "import json, os, sys; path, settings = map(json.loads, sys.stdin); "
    "os.getppid() == settings['driver_pid'] or "
    "sys.exit([__import__('shutil').rmtree(gone, True) "
    "for gone in (settings['spill'][1], settings['folder'][2]) if gone] and 1); "
    "sys.path[:] = path; from pyray.node import supervisor; supervisor.main(settings)"
)
"""The supervisor's program: does not begin to import when the driver is gone already.

Then only the session's directories are left to be removed."""


@dataclass(slots=True)
class LocalConfig:
    """Settings of a local session.

    Args:
        object_store_bytes: Size of the heap.
        resources: Totals by name, CPU included.
        worker_limit: Most worker processes at a time, actors included.
        restart_limit: Most restarts of one actor within `restart_window_ms`; 0: any number.
        restart_window_ms: Begins with the first of them.
        log_to_driver: Whether the workers' output is shown.
        prestart: Workers to start before anybody asks.
        preload: Modules that the supervisor imports, so that workers have them from the start.
        runtime_env: What workers are set up with, validated.
        labels: Labels of this machine, for `label_selector`.
        memory: When the supervisor stops workers because memory is short.
        spill_directory: Where objects go when the heap is full; None: chosen from what there is.
        namespace: Where workers find named actors.
        logging: Arguments of the `LoggingConfig` that workers have.
        folder: Where the session's folder goes; None: chosen from what there is.
        head: It lives without a driver, until it is told to end.
    """

    object_store_bytes: int
    resources: dict[str, float]
    worker_limit: int = 4000
    restart_limit: int = int(ACTOR_RESTART_LIMIT.default)
    restart_window_ms: int = round(ACTOR_RESTART_WINDOW_S.default * 1000)
    log_to_driver: bool = True
    prestart: int = 1
    preload: list[str] = field(default_factory=list)
    runtime_env: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    memory: MemorySettings = field(default_factory=MemorySettings)
    spill_directory: str | None = None
    namespace: str = ""
    logging: dict[str, Any] | None = None
    folder: str | None = None
    head: bool = False


class LocalEngine(CoreEngine):
    """See `pyray.engine.Engine`.

    Raises:
        RaySystemError: If the session or its supervisor cannot be made.
        ValueError: If the directory for spilled objects cannot be used.
    """

    def __init__(self, config: LocalConfig) -> None:
        with contextlib.ExitStack() as undo:
            self._start(config, undo)
            undo.pop_all()  # all is well
        _core.watch_supervisor(self._pidfd)

    def _start(self, config: LocalConfig, undo: contextlib.ExitStack) -> None:
        """Make what a session consists of, and say how to undo each step."""
        self._doorbell = above_standard(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        undo.callback(os.close, self._doorbell)
        self._journal = journal.open_own()
        undo.callback(self._close_journal)
        units = {name: round(amount * UNIT) for name, amount in config.resources.items()}
        cpus = max(1, int(config.resources.get("CPU", 1)))
        undo.callback(_core.close_session)
        control_fd, heap_fd = _core.create_session(
            config.object_store_bytes,
            cpus,
            config.worker_limit,
            {**units, UNKNOWN: 0},
            self._doorbell,
            (config.restart_limit, config.restart_window_ms),
            head=config.head,
        )
        super().__init__()
        self._labels = config.labels
        self.runtime_env = config.runtime_env
        self._spill = spill.make(config.spill_directory)
        undo.callback(self._spill.close)
        undo.callback(self._spill.remove)
        _core.set_spill_directory(self._spill.fd, self._spill.path, self._spill.problem)
        self.folder = session_folder.make(config.folder)
        if config.head and not self.folder.path:
            raise RaySystemError(self.folder.problem)
        undo.callback(self.folder.close)
        undo.callback(self.folder.remove)
        if config.runtime_env:
            from pyray.environments import notes

            notes.write(self.folder.path, notes.FIRST, config.runtime_env)
        for _ in range(0 if config.head else config.prestart):
            _core.request_worker()
        settings = {
            "control_fd": control_fd,
            "heap_fd": heap_fd,
            "doorbell_fd": self._doorbell,
            "driver_pid": os.getpid(),
            "driver_slot": _core.own_slot(),
            "spill": [self._spill.fd, self._spill.path, self._spill.problem],
            "folder": [self.folder.fd, self.folder.door, self.folder.path],
            "head": config.head,
            "labels": config.labels,
            "keep_idle": cpus,
            "log_to_driver": config.log_to_driver,
            "logging_config": config.logging,
            "environment": _packed_environment(config.runtime_env),
            "memory": asdict(config.memory),
            "namespace": config.namespace,
            "as_ray": as_ray.is_installed(),
        }
        self._start_supervisor(config, settings, undo)
        self._pidfd = above_standard(os.pidfd_open(self._supervisor.pid))

    def _start_supervisor(
        self, config: LocalConfig, settings: dict[str, Any], undo: contextlib.ExitStack
    ) -> None:
        environment = self._environment(config)
        threads = any(environment[name] != "1" for name in THREAD_SETTINGS)
        # The supervisor forks, so it must not have threads: where the user wants them, workers
        # import such a module themselves.
        settings["may_preload"] = [
            name for name in PRELOADED if not threads or name not in STARTS_THREADS
        ]
        settings["preload"] = [name for name in config.preload if name in settings["may_preload"]]
        # Python passes over what is no string in sys.path, too.
        path = [entry for entry in cast("list[object]", sys.path) if isinstance(entry, str)]
        text = f"{json.dumps(path)}\n{json.dumps(settings)}"
        with contextlib.ExitStack() as files:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-c", START],
                stdin=subprocess.PIPE,
                pass_fds=[
                    *(settings["control_fd"], settings["heap_fd"], self._doorbell),
                    *(*self._spill.fds(), *self.folder.fds()),
                ],
                start_new_session=True,
                env=environment,
                **self._outputs(config, files),
            )
        undo.callback(self._abandon_supervisor)
        stdin = cast("IO[bytes]", self._supervisor.stdin)  # a pipe, as asked for above
        with contextlib.suppress(BrokenPipeError), stdin:  # it died: the first wait says so
            stdin.write(text.encode())
        self.folder.describe(self._description(config))
        self.folder.close()

    def _environment(self, config: LocalConfig) -> dict[str, str]:
        environment = dict.fromkeys(THREAD_SETTINGS, "1") | dict(os.environ)
        environment |= config.runtime_env.get("env_vars", {})
        environment[LABELS.variable] = json.dumps(config.labels)
        environment[METRICS_FOLDER.variable] = self._spill.path
        environment[SESSION_ID.variable] = self._session_id = f"{_core.nonce():016x}"
        environment[SESSION_FOLDER.variable] = self.folder.path
        return environment

    def _notes_folder(self) -> str:
        return self.folder.path

    def session_folder(self) -> str:
        """Return the directory of the session's files."""
        return self._spill.path

    def _description(self, config: LocalConfig) -> Description:
        from pyray import __version__

        return Description(
            session_id=self._session_id,
            supervisor_pid=self._supervisor.pid,
            driver_pid=0 if config.head else os.getpid(),
            start_time=time.time(),
            version=__version__,
            python_version=sys.version.split()[0],
            namespace=config.namespace,
            head=config.head,
        )

    def _outputs(self, config: LocalConfig, files: contextlib.ExitStack) -> dict[str, Any]:
        """Return where a head prints: nobody's terminal is its own."""
        if not config.head:
            return {}
        place = Path(self.folder.path) / LOGS
        return {
            name: files.enter_context((place / f"supervisor.{name[3:]}").open("wb"))
            for name in ("stdout", "stderr")
        } | {"cwd": "/"}

    def _abandon_supervisor(self) -> None:
        """Something failed after its start."""
        _core.end_session()
        self._supervisor.kill()
        self._supervisor.wait()

    @property
    def supervisor_handle(self) -> int:
        """A pidfd of the supervisor."""
        return self._pidfd

    @property
    def supervisor_pid(self) -> int:
        """Process id of the supervisor."""
        return self._supervisor.pid

    def shutdown(self) -> None:
        """End the session: at most `SHUTDOWN_S`, whatever its tasks do."""
        _core.report_all_unread(MOST_AT_END)
        _core.end_session()
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        if not poller.poll(SHUTDOWN_S * 1000):
            self._supervisor.send_signal(signal.SIGKILL)
        if self._supervisor.wait() != 0:
            self._end_survivors()
        self._spill.remove()
        self.folder.remove()
        _core.close_session()
        self._spill.close()
        os.close(self._pidfd)
        os.close(self._doorbell)
        self._close_journal()

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _end_survivors(self) -> None:
        """The supervisor could not do its work: end what tasks have started and it did not reap."""
        mark = f"{SESSION_ID.variable}={self._session_id}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)

    def forget(self) -> None:
        """In a forked child: let go of what was inherited, without ending anything."""
        _core.close_session()
        self._spill.close()
        for descriptor in (self._pidfd, self._doorbell):
            with contextlib.suppress(OSError):  # closed already, as daemons do with all
                os.close(descriptor)
        with contextlib.suppress(OSError):
            self._close_journal()
        self._supervisor.returncode = 0  # not ours to wait for


def _packed_environment(env: dict[str, Any]) -> str:
    """Return a runtime_env and its description as text; "" if workers need not do anything.

    Variables are in the supervisor's environment already.
    """
    if not env:
        return ""
    import cloudpickle

    from pyray.environments import setup

    return base64.b64encode(cloudpickle.dumps((env, setup.describe(env)))).decode()
