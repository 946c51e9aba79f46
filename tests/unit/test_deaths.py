"""The words for how a process ended."""

import os
import signal
from typing import Any

import pytest

from pyray.errors.deaths import describe_exit, worker_crashed_message

CORE = 0x80

ENDS = [
    (0, "exit code 0"),
    (3 << 8, "exit code 3"),
    (signal.SIGTERM, "killed by SIGTERM"),
    (signal.SIGKILL, "killed by SIGKILL (the kernel's out-of-memory killer is the usual sender"),
    (signal.SIGSEGV, "killed by SIGSEGV (compiled code"),
    (signal.SIGSEGV | CORE, "killed by SIGSEGV, core dumped (compiled code"),
    (signal.SIGBUS, "killed by SIGBUS (memory behind a mapping"),
    (signal.SIGABRT, "killed by SIGABRT (compiled code gave up"),
    (40, "killed by signal 40"),
    (0xFFFF, "unknown end, wait status 0xffff"),
]


@pytest.mark.parametrize(("status", "text"), ENDS)
def test_describe_when_status_given_says_how_it_ended(status: Any, text: Any) -> None:
    assert describe_exit(status).startswith(text)


def test_describe_when_process_really_died_agrees() -> None:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "kill -9 $$"], {})
    _, status = os.waitpid(pid, 0)
    assert describe_exit(status).startswith("killed by SIGKILL")


MESSAGES = [
    (signal.SIGKILL, 2.5, ["killed by SIGKILL", "2.5 s", "max_retries"]),
    (signal.SIGTERM, 0.0123, ["killed by SIGTERM", "12 ms", "who stops processes"]),
    (signal.SIGSEGV, 200.0, ["killed by SIGSEGV", "3 min 20 s", "faulthandler"]),
    (3 << 8, 7300.0, ["exit code 3", "2 h 1 min", "sys.exit()"]),
    (None, None, ["cause unknown", "before the task began"]),
]


@pytest.mark.parametrize(("status", "running_s", "parts"), MESSAGES)
def test_message_when_worker_crashed_names_task_pid_cause_and_next_step(
    status: Any, running_s: Any, parts: Any
) -> None:
    text = worker_crashed_message("train", 4711, status, running_s)
    for part in ["worker died", "task: train", "pid 4711", *parts]:
        assert part in text
    assert len(text.splitlines()) < 10
