"""What tests share: waiting with a deadline, programs of their own, and looking at processes.

Sizes are in bytes and times in seconds. Nothing here needs pyray to work: these functions judge it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
"""The top folder of the repository."""

SLOWNESS = float(os.environ.get("PYRAY_TEST_SLOWNESS", "1"))
"""Deadlines are multiplied by this, for sanitizers and overloaded machines."""

_MEMFD = re.compile(
    r"^\S+ \S+ \S+ (?P<device>\S+) (?P<inode>\d+) +/memfd:(?P<name>pyray-\S*)", re.MULTILINE
)

T = TypeVar("T")


def wait_until(condition: Callable[[], T], deadline_s: float, what: str) -> T:
    """Call `condition` until it returns something true; return that.

    Raises:
        AssertionError: When `deadline_s` (times SLOWNESS) have passed; the text says `what` was
            waited for and what the condition returned last.
    """
    deadline = time.monotonic() + deadline_s * SLOWNESS
    pause_s = 0.0005
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"waited {deadline_s:g} s in vain for {what}; last seen: {value!r}"
            )
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.02)
    return value


# ---- Programs of their own.


@dataclasses.dataclass
class Script:
    """A running program: a new interpreter, leader of a session and process group of its own."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def pid(self) -> int:
        """The program's process id, which is also its process group's."""
        return self.process.pid

    def stdout(self) -> str:
        """Return what has been written to standard output so far."""
        return (self.folder / "stdout").read_text(errors="replace")

    def stderr(self) -> str:
        """Return what has been written to standard error so far."""
        return (self.folder / "stderr").read_text(errors="replace")

    def wait_for_output(self, text: str, deadline_s: float = 20) -> None:
        """Wait until `text` appears on standard output; fail at once if the program ends first."""

        def seen() -> bool:
            over = self.process.poll() is not None
            if text in self.stdout():
                return True
            if over:
                raise AssertionError(f"no {text!r} before the end: {self.report()}")
            return False

        wait_until(seen, deadline_s, f"{text!r} on the output of the program")

    def wait(self, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Wait for the program's end; after `timeout_s` (times SLOWNESS) show stacks and fail."""
        try:
            self.process.wait(timeout_s * SLOWNESS)
        except subprocess.TimeoutExpired:
            family = [self.pid, *descendants(self.pid)]
            raise AssertionError(
                f"the program did not end within {timeout_s:g} s: {self.report()}\n{stacks(family)}"
            ) from None
        return subprocess.CompletedProcess(
            self.process.args, self.process.returncode, self.stdout(), self.stderr()
        )

    def kill_group(self) -> None:
        """Kill what is left of the program's process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def report(self) -> str:
        """Return exit code and output, for messages."""
        code = self.process.poll()
        return f"exit code {code}\n--- stdout\n{self.stdout()}\n--- stderr\n{self.stderr()}"


@contextmanager
def started_script(
    source: str, *, env: Mapping[str, str] | None = None, args: Sequence[str] = ()
) -> Iterator[Script]:
    """Run the program text `source` in a new interpreter beside the test; kill it at the end.

    It gets its own session, process group and empty working folder, no standard input, and files as
    outputs, so that nobody waits for a pipe that a process left behind keeps open.

    Args:
        source: The program, indented as its place in the test wants.
        env: Variables to set beside those of this process.
        args: What follows the program's name in sys.argv.
    """
    with tempfile.TemporaryDirectory(prefix="pyray-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        work = folder / "work"
        work.mkdir()
        program = folder / "program.py"
        program.write_text(textwrap.dedent(source))
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", str(program), *args],
                cwd=work,
                env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        script = Script(process, folder)
        try:
            yield script
        finally:
            script.kill_group()


def run_script(
    source: str,
    *,
    timeout_s: float = 30,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run the program text `source` to its end, as `started_script` does; return what came of it.

    Raises:
        AssertionError: When it takes longer than `timeout_s`, with its stacks and output; with
            `check` also when it ends with another exit code than 0.
    """
    with started_script(source, env=env, args=args) as script:
        done = script.wait(timeout_s)
        if check and done.returncode != 0:
            raise AssertionError(script.report())
        return done


# ---- Looking at processes.


@dataclasses.dataclass(frozen=True)
class Process:
    """A process as /proc shows it; (pid, start_ticks) names it for ever."""

    pid: int
    parent: int
    state: str
    start_ticks: int
    name: str

    @property
    def command(self) -> str:
        """The command line, or the name in brackets when there is none."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            words = b""
        text = words.decode(errors="replace").replace("\0", " ").strip()
        return text[:200] or f"[{self.name}]"

    def __str__(self) -> str:
        state = {"Z": ", zombie", "T": ", stopped", "D": ", in the kernel"}.get(self.state, "")
        return f"process {self.pid} (parent {self.parent}{state}): {self.command}"


def process(pid: int) -> Process | None:
    """Return the process `pid`, None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            stat = file.read()
    except OSError:
        return None
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Process(pid, int(fields[1]), fields[0], int(fields[19]), name)


def processes() -> dict[int, Process]:
    """Return every process of the machine by its id."""
    found = (process(int(name)) for name in os.listdir("/proc") if name.isdecimal())
    return {one.pid: one for one in found if one is not None}


def descendants(pid: int, everyone: Mapping[int, Process] | None = None) -> list[int]:
    """Return the ids of the children of `pid`, their children and so on, zombies included."""
    everyone = processes() if everyone is None else everyone
    children: dict[int, list[int]] = {}
    for one in everyone.values():
        children.setdefault(one.parent, []).append(one.pid)
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def environment_has(pid: int, assignment: str) -> bool:
    """Return whether the process was started with ``NAME=value`` in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except OSError:
        return False
    return assignment.encode() in environ.split(b"\0")


def pyray_maps(pid: int | str = "self") -> dict[tuple[str, str], int]:
    """Return how often the process maps each memfd of pyray, by (name, device and inode)."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return {}
    counts: dict[tuple[str, str], int] = {}
    if "memfd:pyray-" not in maps:
        return counts
    for match in _MEMFD.finditer(maps):
        key = (match["name"], f"{match['device']}:{match['inode']}")
        counts[key] = counts.get(key, 0) + 1
    return counts


def session_processes(session_id: str | None = None) -> list[int]:
    """Return the ids of all processes of a pyray session, whoever their parents are.

    They carry ``PYRAY_SESSION_ID=<session_id>`` in their environment, or map the same memory as one
    that does. Without `session_id`: every process that maps memory of any session.
    """
    maps = {pid: set(pyray_maps(pid)) for pid in processes()}
    if session_id is None:
        return sorted(pid for pid, keys in maps.items() if keys)
    marked = {pid for pid in maps if environment_has(pid, f"PYRAY_SESSION_ID={session_id}")}
    shared = set().union(*(maps[pid] for pid in marked))
    return sorted(marked | {pid for pid, keys in maps.items() if keys & shared})


def private_bytes(pid: int | str = "self") -> int:
    """Return how much memory only this process has and has written to (Private_Dirty)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) << 10
    raise AssertionError("this kernel does not say Private_Dirty")


def stacks(pids: Sequence[int]) -> str:
    """Return what each process is doing: its Python stacks if py-spy is there, else its waits."""
    tool = shutil.which(
        "py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    parts = []
    for pid in pids:
        one = process(pid)
        if one is None:
            continue
        lines = [str(one), *_kernel_waits(pid)]
        if (
            tool is not None
            and one.state not in "ZX"
            and "python" in os.path.realpath(f"/proc/{pid}/exe")
        ):
            try:
                dump = subprocess.run(
                    [tool, "dump", "--nonblocking", "--pid", str(pid)],
                    capture_output=True,
                    text=True,
                    timeout=10,
                    check=False,
                )
                lines.append((dump.stdout or dump.stderr).strip())
            except subprocess.TimeoutExpired:
                lines.append("(py-spy took too long)")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _kernel_waits(pid: int) -> list[str]:
    """Return, for each thread, where in the kernel it sleeps."""
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        try:
            name = (task / "comm").read_text().strip()
            lines.append(f"  thread {task.name} {name}: {(task / 'wchan').read_text() or '?'}")
        except OSError:
            continue
    return lines
