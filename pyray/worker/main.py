"""The life of a worker process, from the fork on.

Imports as little as possible: everything here is loaded in the supervisor before the fork.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import os
import pickle
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from pyray import _core, gpus, runtime
from pyray.exceptions import RuntimeEnvSetupError
from pyray.journal import Journal
from pyray.logging_config import LoggingConfig
from pyray.observability import stacks
from pyray.settings import WORKER_PID
from pyray.worker import actor_life, actor_loops, debugger, execution, log_files, output

if TYPE_CHECKING:
    from pyray.core_engine import CoreEngine
    from pyray.node.guest_output import GuestOutput

_core.on_actor_class(actor_loops.set_up)
_core.set_method_lookup(actor_life.find_method)

TRIM_BYTES = 64 << 20
"""How much freed memory a worker keeps at the end of its heap."""
MAP_BYTES = 32 << 20
"""Blocks from this size on are mapped and unmapped each time (the most that glibc allows)."""
MALLOC_IS_CHOSEN = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
"""The user has told malloc what to do."""
WORKER_OOM_SCORE = 1000
"""The kernel takes workers before the driver and the supervisor (Ray's value)."""

OWNER = WORKER_PID.variable
"""In the environment of what a worker starts: whose it is."""

INTERRUPT = signal.SIGURG
"""Says that the running task may have been cancelled; without a handler it does nothing."""


def run(  # noqa: PLR0913  (what its supervisor was told)
    slot: int,
    journal_fd: int | None,
    *,
    engine: CoreEngine,
    printing: GuestOutput,
    environment: str,
    namespace: str,
) -> NoReturn:
    """Be the worker of this slot until the session ends; never returns.

    What can be made before the fork (`engine`) is, since it would be made anew in each worker.
    """
    status = 1
    try:
        _prepare_process(journal_fd, printing, _core.job_of(slot))
        _core.adopt_slot(slot)
        debugger.install()
        if printing.logging:
            LoggingConfig(**printing.logging).apply()
        runtime.set_engine(engine, namespace=namespace, is_worker=True)
        _enter_environment(engine, environment)
        _core.set_retry_hook(execution.pause_before_retry)
        _core.set_gpu_hook(gpus.assign)
        if "GPU" in _core.resources():
            gpus.assign([])  # who asks for none sees none
        calls = _core.worker_loop(execution.translate_error, _flush)
        if calls is not None:
            actor_loops.run(calls, execution.translate_error, _flush)
        if _core.kill_requested(slot):
            os._exit(status)  # exit handlers do not run after `ray.kill`
        actor_life.shut_down()
        status = 0
    except actor_life.ActorExit:
        actor_life.shut_down()
        status = 0
    except SystemExit as error:
        execution.leave(error)
    except BaseException:  # noqa: BLE001  (the process ends here, and says why)
        traceback.print_exc()
    finally:
        _end(status)


def _enter_environment(engine: CoreEngine, packed: str) -> None:
    """Set the process up as its runtime_env says; if that fails, its tasks will say so."""
    try:
        packed_bytes = base64.b64decode(packed)  # from the driver, whose code we run
        job, description = pickle.loads(packed_bytes) if packed else ({}, {})  # noqa: S301
        engine.enter_environment(job, description)
    except Exception as error:  # noqa: BLE001  (for its tasks)
        failure = error
        if not isinstance(error, RuntimeEnvSetupError):
            failure = RuntimeEnvSetupError(f"{type(error).__name__}: {error}")
        _core.set_setup_error(failure)


def _keep_memory() -> None:
    """Have malloc keep its pages between tasks: fresh ones cost more than most work on them."""
    if not MALLOC_IS_CHOSEN:
        _core.keep_memory(TRIM_BYTES, MAP_BYTES)


def _prepare_process(journal_fd: int | None, printing: GuestOutput, job: int) -> None:
    _keep_memory()
    os.setsid()  # a process group of its own: what a task starts can be ended with it
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    # SIGINT stays ignored: Ctrl-C is the driver's. So does SIGPIPE: BrokenPipeError instead.
    signal.signal(INTERRUPT, _interrupt)
    stacks.tell_kernel("oom_score_adj", str(WORKER_OOM_SCORE))
    stacks.name_process(stacks.WORKER_NAME)
    _core.set_title_area(*stacks.arguments_area())
    os.environ[OWNER] = str(os.getpid())
    note = None
    if journal_fd is not None:
        note = functools.partial(_note, Journal(journal_fd, crashes=True))
    files = log_files.files_of(_core.nonce(), job, os.getpid())
    if files is not None and not printing.is_shown:
        for descriptor, file in enumerate(files, 1):
            file.take(descriptor)
    sys.stdout, sys.stderr = output.redirect(
        shown=printing.is_shown,
        prefixed=printing.is_marked,
        note=note,
        repeats=printing.repeats,
        files=files,
    )
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _note(journal: Journal, text: str) -> None:
    """An actor's whole life is of interest, else only what the task did."""
    journal.note(text, 0 if _core.has_actor() else _core.current_task()[1])


def owner_of(pid: int) -> int:
    """Return the worker whose task started this process, 0 if that cannot be told."""
    with contextlib.suppress(OSError, ValueError):
        for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = word.partition(b"=")
            if name == OWNER.encode():
                return int(value)
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if _core.take_cancellation():
        raise KeyboardInterrupt


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _end(status: int) -> NoReturn:
    """Leave gracefully: exit handlers run, but nothing waits for other threads."""
    try:
        atexit._run_exitfuncs()  # noqa: SLF001  (os._exit skips them; nothing public runs them)
        _flush()
    finally:
        os._exit(status)
