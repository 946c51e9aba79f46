"""Run programs under pyray or Ray in processes of their own; what is known about their answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.support import ROOT

FOLDER = Path(__file__).parent / "programs"
RAY_PYTHON = os.environ.get("PYRAY_RAY_PYTHON", "")
PROGRAMS = {
    str(path.relative_to(FOLDER).with_suffix("")): path for path in sorted(FOLDER.glob("*/*.py"))
}
"""All programs by folder and name."""

SLOW = {
    "actors/max_concurrency",
    "async/concurrency_limit",
    "async/timeouts",
    "cancel/actor_queued",
    "cancel/actor_task_forced",
    "cancel/queued",
    "cancel/waiting_for_arguments",
    "objects/arrow",
    "objects/pandas",
}
"""Those that take a second and more; they are of the slow tier."""

DIFFERENCES: list[dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("differences.toml").read_text()
)["difference"]
"""Lines that pyray prints otherwise, on purpose: `program`, `ray`, `ours`, `reason`."""


def recorded(program: str) -> str:
    """Return what Ray printed when its answers were recorded."""
    return PROGRAMS[program].with_suffix(".txt").read_text()


def expected(program: str, answer: str) -> str:
    """Return what pyray is to print where Ray prints `answer`.

    Raises:
        AssertionError: If Ray does not print what a listed difference says.
    """
    lines = answer.splitlines()
    for difference in DIFFERENCES:
        if difference["program"] == program:
            theirs, ours = difference["ray"], difference["ours"]
            assert theirs != ours, f"{program}: no difference is listed"
            assert theirs in lines, f"{program}: Ray does not print {theirs!r}"
            lines[lines.index(theirs)] = ours
    return "".join(f"{line}\n" for line in lines)


def run(kind: str, programs: Sequence[str], timeout_s: float) -> dict[str, str]:
    """Run programs one after another in one process; return what each of them printed.

    When the process died before the end, some are missing; the last one that had begun has
    what the process said as its output, after "died: ".
    """
    with tempfile.TemporaryDirectory(prefix="pyray-test-") as name:
        answers = Path(name) / "answers"
        python = RAY_PYTHON if kind == "ray" else sys.executable
        runner = Path(__file__).with_name("run_programs.py")
        command = [python, runner, kind, answers, *(PROGRAMS[program] for program in programs)]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT) if kind == "pyray" else "",
            "RAY_COLOR_PREFIX": "0",
        }
        with (Path(name) / "errors").open("w+") as errors:
            process = subprocess.Popen(
                command,
                cwd=name,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            said = (Path(name) / "errors").read_text(errors="replace")
        lines = answers.read_text().splitlines() if answers.exists() else []
    found = dict(map(json.loads, lines))
    outputs = {name: found[str(path)] for name, path in PROGRAMS.items() if str(path) in found}
    return {name: f"died: {said}" if output is None else output for name, output in outputs.items()}
