"""The engine of one machine: a session of the compiled core, and the supervisor beside it."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from pyray import _core, as_ray, journal, spill
from pyray.core_engine import UNIT, UNKNOWN, CoreEngine
from pyray.memory_monitor import MemorySettings
from pyray.settings import (
    ACTOR_RESTART_LIMIT,
    ACTOR_RESTART_WINDOW_S,
    LABELS,
    METRICS_FOLDER,
    SESSION_ID,
)
from pyray.unread import MOST_AT_END

SHUTDOWN_S = 1.0
THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
STARTS_THREADS = {"numpy"}
"""Modules that start as many threads as the settings say when they are imported."""
START = (
    "import json, os, sys; path, settings = map(json.loads, sys.stdin); "
    "os.getppid() == settings['driver_pid'] or "
    "sys.exit(__import__('shutil').rmtree(settings['spill'][1], True) or 1); "
    "sys.path[:] = path; from pyray import supervisor; supervisor.main(settings)"
)
"""The supervisor's program: does not begin to import when the driver is gone already.

Then only the directory of spilled objects is left to be removed."""


@dataclass(slots=True)
class LocalConfig:
    """Settings of a local session.

    Args:
        object_store_bytes: Size of the heap.
        resources: Totals by name, CPU included.
        worker_limit: Most worker processes at a time, actors included.
        restart_limit: Most restarts of one actor within `restart_window_ms`; 0: any number.
        restart_window_ms: Begins with the first of them.
        log_to_driver: Mark the workers' output with who wrote it.
        prestart: Workers to start before anybody asks.
        preload: Modules that the supervisor imports, so that workers have them from the start.
        runtime_env: What workers are set up with, validated.
        labels: Labels of this machine, for `label_selector`.
        memory: When the supervisor stops workers because memory is short.
        spill_directory: Where objects go when the heap is full; None: chosen from what there is.
        namespace: Where workers find named actors.
        logging: Arguments of the `LoggingConfig` that workers have.
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
        self._doorbell = _above_standard(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
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
        )
        super().__init__()
        self._labels = config.labels
        self.runtime_env = config.runtime_env
        self._spill = spill.make(config.spill_directory)
        undo.callback(self._spill.close)
        undo.callback(self._spill.remove)
        _core.set_spill_directory(self._spill.fd, self._spill.path, self._spill.problem)
        for _ in range(config.prestart):
            _core.request_worker()
        environment = self._environment(config)
        threads = any(environment[name] != "1" for name in THREAD_SETTINGS)
        settings = {
            "control_fd": control_fd,
            "heap_fd": heap_fd,
            "doorbell_fd": self._doorbell,
            "driver_pid": os.getpid(),
            "spill": [self._spill.fd, self._spill.path, self._spill.problem],
            "keep_idle": cpus,
            "log_to_driver": config.log_to_driver,
            "logging_config": config.logging,
            "environment": _packed_environment(config.runtime_env),
            "memory": asdict(config.memory),
            "namespace": config.namespace,
            "as_ray": as_ray.is_installed(),
            # The supervisor forks, so it must not have threads: where the user wants them, workers
            # import such a module themselves.
            "preload": [
                name for name in config.preload if not threads or name not in STARTS_THREADS
            ],
        }
        # Python passes over what is no string in sys.path, too.
        path = [entry for entry in cast("list[object]", sys.path) if isinstance(entry, str)]
        text = f"{json.dumps(path)}\n{json.dumps(settings)}"
        self._supervisor = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            pass_fds=[control_fd, heap_fd, self._doorbell, *self._spill.fds()],
            start_new_session=True,
            env=environment,
        )
        undo.callback(self._abandon_supervisor)
        stdin = cast("IO[bytes]", self._supervisor.stdin)  # a pipe, as asked for above
        with contextlib.suppress(BrokenPipeError), stdin:  # it died: the first wait says so
            stdin.write(text.encode())
        self._pidfd = _above_standard(os.pidfd_open(self._supervisor.pid))

    def _environment(self, config: LocalConfig) -> dict[str, str]:
        environment = dict.fromkeys(THREAD_SETTINGS, "1") | dict(os.environ)
        environment |= config.runtime_env.get("env_vars", {})
        environment[LABELS.variable] = json.dumps(config.labels)
        environment[METRICS_FOLDER.variable] = self._spill.path
        environment[SESSION_ID.variable] = self._session_id = f"{_core.nonce():016x}"
        return environment

    def session_folder(self) -> str:
        """Return the directory of the session's files."""
        return self._spill.path

    def _abandon_supervisor(self) -> None:
        """Something failed after its start."""
        _core.end_session()
        self._supervisor.kill()
        self._supervisor.wait()

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

    from pyray import env_setup

    return base64.b64encode(cloudpickle.dumps((env, env_setup.describe(env)))).decode()


def _above_standard(descriptor: int) -> int:
    """Return a descriptor above those of standard input, output and error."""
    if descriptor > 2:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)
