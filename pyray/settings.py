"""Every setting that pyray takes from the environment: one table.

Whoever needs one reads it here, when it is needed, so that a program may set it until then. The
table in docs/settings.md is made from this one (`markdown()`), and a test compares them.

A variable that is not set, or is set to nothing, means the default.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting: what every kind of it has.

    Args:
        variable: The environment variable.
        reader: Who reads it.
        meaning: What it does.
        unit: What it is measured in; "" for words and paths.
        shown_default: What stands for the default in the documentation.
    """

    variable: str
    reader: str
    meaning: str
    unit: str = ""
    shown_default: str = "none"

    def text(self, environment: Mapping[str, str] | None = None) -> str:
        """Return what the variable says, "" if nothing."""
        return (os.environ if environment is None else environment).get(self.variable, "")

    def check(self, environment: Mapping[str, str] | None = None) -> None:
        """Raise ValueError if the variable has an impossible value."""

    def allowed(self) -> str:
        """Return what it may be, in words."""
        return "text"

    def default_text(self) -> str:
        """Return the default, in words."""
        return self.shown_default


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Setting):
    """A number.

    Args:
        default: Its value if the variable says nothing.
        low: The smallest that is allowed.
        high: The largest.
        whole: Whether it must be an integer.
    """

    default: float
    low: float = 0.0
    high: float = math.inf
    whole: bool = False

    def value(self, environment: Mapping[str, str] | None = None) -> float:
        """Return the number.

        Raises:
            ValueError: If it is none, or out of range.
        """
        text = self.text(environment).strip()
        try:
            value = float(text) if text else self.default
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high or (self.whole and value % 1):
            raise ValueError(f"{self.variable}: expected {self.allowed()}, got {text!r}")
        return value

    def integer(self, environment: Mapping[str, str] | None = None) -> int:
        """Return the number as an int; for those that are whole."""
        return int(self.value(environment))

    def check(self, environment: Mapping[str, str] | None = None) -> None:
        """Raise ValueError if it is no number, or out of range."""
        self.value(environment)

    def allowed(self) -> str:
        """Return what it may be, in words."""
        kind = "a whole number" if self.whole else "a number"
        upper = f" to {self.high:.15g}" if self.high < math.inf else " on"
        return f"{kind} from {self.low:.15g}{upper}"

    def default_text(self) -> str:
        """Return the default, in words."""
        return f"{self.default:.15g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Setting):
    """One of several words.

    Args:
        words: Those that are allowed, the default first.
    """

    words: tuple[str, ...]

    def value(self, environment: Mapping[str, str] | None = None) -> str:
        """Return the word.

        Raises:
            ValueError: If it is none of the words.
        """
        text = self.text(environment).strip().lower() or self.words[0]
        if text not in self.words:
            raise ValueError(f"{self.variable}: expected {self.allowed()}, got {text!r}")
        return text

    def check(self, environment: Mapping[str, str] | None = None) -> None:
        """Raise ValueError if it is none of the words."""
        self.value(environment)

    def allowed(self) -> str:
        """Return what it may be, in words."""
        return " or ".join(f"`{word}`" for word in self.words)

    def default_text(self) -> str:
        """Return the default, in words."""
        return f"`{self.words[0]}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Setting):
    """On if the variable is there at all, whatever it says, as in Ray."""

    def value(self, environment: Mapping[str, str] | None = None) -> bool:
        """Return whether it is on."""
        return self.variable in (os.environ if environment is None else environment)

    def allowed(self) -> str:
        """Return what it may be, in words."""
        return "`1`"

    def default_text(self) -> str:
        """Return the default, in words."""
        return "not set"


# ---- For users.

ADDRESS: Final = Setting(
    variable="PYRAY_ADDRESS",
    reader="`init()`",
    meaning="the session to join, if the argument `address` does not say",
)
RAY_ADDRESS: Final = Setting(
    variable="RAY_ADDRESS",
    reader="`init()`",
    meaning="the same, if `PYRAY_ADDRESS` does not say",
)
TMPDIR: Final = Setting(
    variable="PYRAY_TMPDIR",
    reader="`init()`, `pyray`",
    shown_default="`$XDG_RUNTIME_DIR`, else the directory for temporary files",
    meaning="where the folders of sessions are: [Sessions](sessions.md#the-folder-of-a-session)",
)
RAY_TMPDIR: Final = Setting(
    variable="RAY_TMPDIR",
    reader="`init()`, `pyray`",
    meaning="the same, if `PYRAY_TMPDIR` does not say",
)
SPILLING_DIRECTORY: Final = Setting(
    variable="PYRAY_OBJECT_SPILLING_DIRECTORY",
    reader="`init()`",
    meaning="the same as the argument `object_spilling_directory`, which counts more",
)
TASK_MAX_RETRIES: Final = Number(
    variable="RAY_TASK_MAX_RETRIES",
    reader="whoever submits a task",
    unit="retries",
    default=3,
    low=-1,
    high=2**31 - 1,
    whole=True,
    meaning="`max_retries` of tasks whose options do not say; -1: for ever",
)
TASK_RETRY_DELAY_MS: Final = Number(
    variable="RAY_task_retry_delay_ms",
    reader="workers",
    unit="milliseconds",
    default=0,
    high=3.6e6,
    meaning="pause before a task is tried again; it doubles with each try, up to a minute. "
    "Meanwhile the task's CPUs serve others",
)
IGNORE_UNHANDLED_ERRORS: Final = Flag(
    variable="RAY_IGNORE_UNHANDLED_ERRORS",
    reader="every process of a session",
    meaning="errors that nobody fetches are not reported",
)
TASK_EVENTS: Final = Choice(
    variable="PYRAY_TASK_EVENTS",
    reader="every process of a session",
    words=("1", "0"),
    meaning="0: nothing is recorded of tasks that end; see [Looking at a session](observing.md)",
)
TIMELINE_SPANS: Final = Choice(
    variable="PYRAY_TIMELINE_SPANS",
    reader="every process of a session",
    words=("0", "1"),
    meaning="1: each `get`, `put` and `wait` is a slice of the timeline",
)
RECORD_CREATION_SITES: Final = Choice(
    variable="RAY_record_ref_creation_sites",
    reader="every process of a session",
    words=("0", "1"),
    meaning="1: `pyray memory` says where objects were made",
)
CLOUD_INSTANCE_ID: Final = Setting(
    variable="RAY_CLOUD_INSTANCE_ID",
    reader="`ray.util.get_node_instance_id()`",
    meaning="what a cloud calls this machine",
)
CACHE_DIR: Final = Setting(
    variable="PYRAY_CACHE_DIR",
    reader="whoever uses a `runtime_env`",
    shown_default="`~/.cache/pyray`",
    meaning="where copies of folders and installed packages are kept",
)
ACTOR_RESTART_LIMIT: Final = Number(
    variable="PYRAY_actor_restart_limit",
    reader="`init()`",
    unit="restarts",
    default=1000,
    high=1e9,
    whole=True,
    meaning="most restarts of one actor within the window below, whatever its `max_restarts`; "
    "0: any number",
)
ACTOR_RESTART_WINDOW_S: Final = Number(
    variable="PYRAY_actor_restart_window_s",
    reader="`init()`",
    unit="seconds",
    default=60,
    high=1e6,
    meaning="the window, which begins with the first of these restarts",
)
MEMORY_USAGE_THRESHOLD: Final = Number(
    variable="PYRAY_memory_usage_threshold",
    reader="`init()`",
    unit="share",
    default=0.95,
    high=1.0,
    meaning="share of the memory, of the machine or of a control group, above which a worker is "
    "stopped; see [Failures](failures.md#memory-runs-short)",
)
MEMORY_MONITOR_REFRESH_MS: Final = Number(
    variable="PYRAY_memory_monitor_refresh_ms",
    reader="`init()`",
    unit="milliseconds",
    default=250,
    high=3.6e6,
    meaning="time between two looks at memory while tasks run; 0: never",
)
MEMORY_MONITOR_ROOT: Final = Setting(
    variable="PYRAY_memory_monitor_root",
    reader="`init()`",
    meaning="folder that stands for `/` where memory is read, for tests",
)
METRICS_EXPORT_PORT: Final = Number(
    variable="PYRAY_METRICS_EXPORT_PORT",
    reader="`init()`",
    shown_default="none: closed",
    default=-1,
    low=-1,
    high=65535,
    whole=True,
    meaning="the same as the argument `_metrics_export_port`, which counts more; 0: any. See "
    "[Metrics](metrics.md)",
)
DEDUP_LOGS: Final = Choice(
    variable="RAY_DEDUP_LOGS",
    reader="`init()`",
    words=("1", "0", "true", "false"),
    meaning="`0`: equal lines of several workers are not folded; see [Output](output.md#floods)",
)
DEDUP_LOGS_AGG_WINDOW_S: Final = Number(
    variable="RAY_DEDUP_LOGS_AGG_WINDOW_S",
    reader="`init()`",
    unit="seconds",
    default=5,
    high=3600,
    meaning="for how long equal lines are counted before the count is shown",
)
DEDUP_LOGS_ALLOW_REGEX: Final = Setting(
    variable="RAY_DEDUP_LOGS_ALLOW_REGEX",
    reader="`init()`",
    meaning="regular expression of lines that are never folded",
)
DEDUP_LOGS_SKIP_REGEX: Final = Setting(
    variable="RAY_DEDUP_LOGS_SKIP_REGEX",
    reader="`init()`",
    meaning="regular expression of lines of workers that are dropped",
)
DEBUG_POST_MORTEM: Final = Choice(
    variable="RAY_DEBUG_POST_MORTEM",
    reader="workers",
    words=("0", "1", "false", "true"),
    meaning="`1`: a task that raises waits for `pyray debug`; see [Debugging](debugging.md)",
)
FAILPOINTS: Final = Setting(
    variable="PYRAY_FAILPOINTS",
    reader="every process of a session",
    meaning="where to die or wait, for tests of pyray itself; see `csrc/base/failpoint.h`",
)
API_SERVER_ADDRESS: Final = Setting(
    variable="RAY_API_SERVER_ADDRESS",
    reader="`pyray job`, `JobSubmissionClient`",
    meaning="the server of jobs: `http://127.0.0.1:PORT`, or the folder of its session. "
    "It counts more than both",
)
AUTH_TOKEN: Final = Setting(
    variable="RAY_AUTH_TOKEN",
    reader="`pyray job`, `JobSubmissionClient`",
    meaning="the token to show to a server that is named by its `http://` address",
)
AUTH_TOKEN_PATH: Final = Setting(
    variable="RAY_AUTH_TOKEN_PATH",
    reader="`pyray job`, `JobSubmissionClient`",
    meaning="a file with that token",
)
DASHBOARD_HOST: Final = Choice(
    variable="PYRAY_DASHBOARD_HOST",
    reader="the server of jobs",
    words=("127.0.0.1", "localhost"),
    meaning="where it listens: on this machine only",
)
DASHBOARD_PORT: Final = Number(
    variable="PYRAY_DASHBOARD_PORT",
    reader="the server of jobs",
    default=8265,
    high=65535,
    whole=True,
    meaning="its port; 0: any. If it is not set and 8265 is taken, it is any, too",
)
JOB_STOP_WAIT_TIME_S: Final = Number(
    variable="RAY_JOB_STOP_WAIT_TIME_S",
    reader="the server of jobs; also in `env_vars` of a job",
    unit="seconds",
    default=3,
    high=86400,
    meaning="how long a job that is stopped has after SIGTERM, before SIGKILL",
)

# ---- Set by pyray in the processes of a session.

SESSION_ID: Final = Setting(
    variable="PYRAY_SESSION_ID",
    reader="",
    meaning="16 hexadecimal digits that name the session",
)
SESSION_FOLDER: Final = Setting(
    variable="PYRAY_SESSION_FOLDER",
    reader="",
    meaning="the session's folder; empty if it has none",
)
SERVICE: Final = Setting(
    variable="PYRAY_SERVICE",
    reader="",
    meaning="in the server beside a head, and in what it starts: the session's folder",
)
WORKER_PID: Final = Setting(
    variable="PYRAY_WORKER_PID",
    reader="",
    meaning="in workers, and in what they start: the worker's process id",
)
GRAPH_SUBMIT_TIMEOUT: Final = Number(
    variable="RAY_CGRAPH_submit_timeout",
    reader="driver",
    meaning="how long `execute` of a compiled graph waits at most for room",
    unit="seconds",
    default=10,
)
GRAPH_GET_TIMEOUT: Final = Number(
    variable="RAY_CGRAPH_get_timeout",
    reader="driver",
    meaning="how long `ray.get` of a compiled graph's result waits at most, if it is not told",
    unit="seconds",
    default=10,
)
GRAPH_TEARDOWN_TIMEOUT: Final = Number(
    variable="RAY_CGRAPH_teardown_timeout",
    reader="driver",
    meaning="how long `teardown` waits at most for what still runs",
    unit="seconds",
    default=30,
)
GRAPH_READ_ITERATION_TIMEOUT: Final = Number(
    variable="RAY_CGRAPH_read_iteration_timeout_s",
    reader="driver",
    meaning="accepted; readers are woken, they do not look again and again",
    unit="seconds",
    default=0.1,
)
GRAPH_BUFFER_SIZE: Final = Number(
    variable="RAY_CGRAPH_buffer_size_bytes",
    reader="driver",
    meaning="accepted; a value takes the room that it needs",
    unit="bytes",
    default=1_000_000,
    whole=True,
)
GRAPH_MAX_INFLIGHT_EXECUTIONS: Final = Number(
    variable="RAY_CGRAPH_max_inflight_executions",
    reader="driver",
    meaning="so many executions of a compiled graph may be under way",
    default=10,
    whole=True,
)
GRAPH_MAX_BUFFERED_RESULTS: Final = Number(
    variable="RAY_CGRAPH_max_buffered_results",
    reader="driver",
    meaning="so many results of a compiled graph may be there that nobody has fetched",
    default=1000,
    whole=True,
)
METRICS_FOLDER: Final = Setting(
    variable="PYRAY_METRICS_FOLDER",
    reader="",
    meaning="the directory in which the processes of the session count",
)
LABELS: Final = Setting(
    variable="PYRAY_LABELS",
    reader="",
    meaning="the machine's labels, in JSON",
)
JOB_FOLDER: Final = Setting(
    variable="PYRAY_JOB_FOLDER",
    reader="",
    meaning="in the processes of a job: the job's folder",
)
JOB_CONFIG: Final = Setting(
    variable="RAY_JOB_CONFIG_JSON_ENV_VAR",
    reader="",
    meaning="in the processes of a job: its `runtime_env` and `metadata`, in JSON, which "
    "`init()` takes over",
)


def table() -> list[Setting]:
    """Return all settings, in the order of this file."""
    return [one for one in globals().values() if isinstance(one, Setting)]


def problems(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return what is wrong with the variables that are set, a sentence for each."""
    found = []
    for setting in table():
        try:
            setting.check(environment)
        except ValueError as error:
            found.append(str(error))
    return found


def check() -> None:
    """Raise ValueError if a variable that is set has an impossible value."""
    if found := problems():
        raise ValueError("; ".join(found))


def markdown() -> tuple[str, str]:
    """Return the two tables of the documentation: what users set, and what pyray sets."""
    users = [
        "| variable | read by | unit | default | allowed | meaning |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    own = ["| variable | meaning |", "| --- | --- |"]
    for one in table():
        if one.reader:
            cells = (one.reader, one.unit, one.default_text(), one.allowed(), one.meaning)
            users.append(f"| `{one.variable}` | {' | '.join(cells)} |".replace("|  |", "| |"))
        else:
            own.append(f"| `{one.variable}` | {one.meaning} |")
    return "\n".join(users), "\n".join(own)
