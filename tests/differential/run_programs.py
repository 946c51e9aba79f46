"""Run programs one after another in this process, under pyray or under Ray; write what they print.

    python run_programs.py pyray|ray ANSWERS PROGRAM...

Needs nothing but the one of the two. ANSWERS gets two lines of JSON for each program: [path, null]
when it begins, [path, what it printed] when it is done. Programs whose first line is the same
share a session:

    # session: num_cpus=2, num_gpus=1      arguments of init beside the usual ones
    # session: own                         the program calls init, or does without

A program says `import ray` and has `show` and `tell` beside what it defines.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import itertools
import json
import linecache
import os
import re
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

USUAL = {"num_cpus": 4, "log_to_driver": False}
QUIET = {"pyray": {}, "ray": {"include_dashboard": False, "logging_level": "ERROR"}}
TIME_LIMIT_S = int(os.environ.get("PROGRAM_TIME_LIMIT_S", "20"))
VARYING = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\bpyray\b"), "ray"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), lambda found: f"<{len(found[0])} hex>"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "0xN"),
    (re.compile(r"\bpid[=:] ?\d+"), "pid=N"),
    (re.compile(r"\bip[=:] ?[\d.]+"), "ip=A"),
    (re.compile(r"\bline \d+\b"), "line N"),
    (re.compile(r"(/[\w.+-]+)+/([\w.+-]+)"), r"PATH/\2"),
)
"""What differs from run to run, and what stands for it."""


def classes(error: BaseException) -> str:
    """Return the names of an error's classes, as `except` clauses would name them."""
    bases = [base for base in type(error).__mro__ if base is not object]
    return " < ".join(
        base.__name__
        if base.__module__ in ("builtins", "__main__")
        else f"{base.__module__}.{base.__name__}"
        for base in bases
    )


def show(label: str, call: Callable[[], Any]) -> None:
    """Print what a call returns, or the classes of what it raises."""
    try:
        print(f"{label}: {call()!r}")
    except BaseException as error:  # noqa: BLE001  (a program may raise anything)
        print(f"{label}: raised {classes(error)}")


def tell(label: str, call: Callable[[], Any]) -> None:
    """Print what a call returns, or class and text of what it raises."""
    try:
        print(f"{label}: {call()!r}")
    except BaseException as error:  # noqa: BLE001
        print(f"{label}: raised {type(error).__name__}: {error}")


def normalised(text: str) -> str:
    """Return a program's output without what differs from run to run."""
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    lines = (line.rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if not re.fullmatch(r"[ ~^]+", line))


def translated(source: str, kind: str) -> str:
    """Return a program's text with the imports of the package it is to run under."""
    if kind == "ray":
        return source
    source = re.sub(r"^(\s*)import ray$", r"\1import pyray as ray", source, flags=re.MULTILINE)
    source = re.sub(
        r"^(\s*)import ray\.", r"\1import pyray as ray, pyray.", source, flags=re.MULTILINE
    )
    return re.sub(r"^(\s*)from ray\b", r"\1from pyray", source, flags=re.MULTILINE)


def session_of(program: Path) -> str:
    """Return what a program's first line says about its session."""
    with program.open() as file:
        found = re.match(r"# session: (.*)", file.readline())
    return found[1].strip() if found else ""


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def stop(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"not done after {TIME_LIMIT_S} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(TIME_LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)


class MainThreadOutput(io.StringIO):
    """Keeps what the program prints; what other threads print about workers goes elsewhere."""

    def write(self, text: str) -> int:
        """Keep or pass on."""
        if threading.current_thread() is threading.main_thread():
            return super().write(text)
        return sys.__stdout__.write(text)


def printed(kind: str, program: Path) -> str:
    """Run one program; return what it printed, as it was."""
    module = types.ModuleType("__main__")  # what it defines is pickled by value
    module.__dict__.update(show=show, tell=tell)
    sys.modules["__main__"] = module
    source = translated(program.read_text(), kind)
    linecache.cache[str(program)] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        str(program),
    )
    output = MainThreadOutput()
    with contextlib.redirect_stdout(output):
        try:
            with _time_limit():
                exec(compile(source, str(program), "exec"), module.__dict__)
        except BaseException as error:  # noqa: BLE001
            print(f"uncaught {type(error).__name__}: {error}")
    module.__dict__.clear()  # its actors end
    return output.getvalue()


def main(kind: str, answers: str, *names: str) -> None:
    """Run all programs, those of one session together."""
    ray = importlib.import_module(kind)
    programs = sorted(map(Path, names), key=lambda path: (session_of(path), path))
    with open(answers, "w", buffering=1) as file:
        for session, group in itertools.groupby(programs, session_of):
            if session != "own":
                options = eval(f"dict({session})")
                ray.init(**{**USUAL, **QUIET[kind], **options})
            for program in group:
                begun = time.perf_counter()
                file.write(json.dumps([str(program), None]) + "\n")
                text = printed(kind, program)
                gc.collect()
                if session == "own":
                    ray.shutdown()
                file.write(json.dumps([str(program), normalised(text)]) + "\n")
                if os.environ.get("PROGRAM_TIMES"):
                    print(f"{time.perf_counter() - begun:6.2f} s {program}", file=sys.stderr)
            ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
