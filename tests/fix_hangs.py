"""Hangs and crashes: stacks of every process when a test takes too long, and a crash sentinel.

When a test's time is up (60 s by pyproject.toml, or its own `timeout` mark) pytest-timeout's alarm
shows the stacks of this process and fails the test; before that this file takes the stacks of its
children. A main thread that does not react, because C code holds the GIL, is dealt with 30 s later
by faulthandler, which needs nothing from the interpreter: it shows the stacks and ends the run.

The sentinel is a note in pytest's cache of the test that is running: when a run ends without
clearing it, the next one says which test it was.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator
from types import FrameType

import pytest
import pytest_timeout

from tests import support

HARD_LIMIT_S = float(os.environ.get("PYRAY_TEST_HARD_LIMIT_S", "30"))
"""How long after the alarm a process that does not react is ended."""

_SENTINEL = "pyray/running"
_CHILDREN = pytest.StashKey[str]()
_STDERR = pytest.StashKey[int]()
_CRASHED = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool:
    """Arm pytest-timeout's alarm, and look at the child processes before it strikes."""
    if settings.method != "signal":
        return False
    pytest_timeout.pytest_timeout_set_timer(item, settings)
    strike = signal.getsignal(signal.SIGALRM)

    def look_and_strike(signum: int, frame: FrameType | None) -> None:
        item.stash[_CHILDREN] = support.stacks(support.descendants(os.getpid()))
        if callable(strike):
            strike(signum, frame)

    signal.signal(signal.SIGALRM, look_and_strike)
    faulthandler.dump_traceback_later(
        settings.timeout + HARD_LIMIT_S, exit=True, file=item.config.stash[_STDERR]
    )
    return True


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_timeout_cancel_timer() -> None:
    """Disarm the second limit; pytest-timeout disarms its alarm itself."""
    faulthandler.cancel_dump_traceback_later()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the real standard error, which pytest hides from tests, and let Ctrl-C work.

    Shells start what runs in the background with SIGINT ignored, and programs inherit that.
    """
    config.stash[_STDERR] = os.dup(2)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give it back."""
    faulthandler.cancel_dump_traceback_later()
    os.close(config.stash[_STDERR])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the stacks of child processes to the report of a test that ran out of time."""
    report = yield
    if text := item.stash.get(_CHILDREN, ""):
        del item.stash[_CHILDREN]
        report.sections.append(("child processes at the time limit", text))
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Report a run that crashed; refuse to pick "last failed" tests from its stale list."""
    cache = session.config.cache
    if cache is None:
        return
    last = cache.get(_SENTINEL, None)
    session.config.stash[_CRASHED] = ""
    if last and (last["pid"] == os.getpid() or support.process(last["pid"]) is None):
        session.config.stash[_CRASHED] = last["test"]
        if session.config.getoption("lf", default=False):
            cache.set(_SENTINEL, None)
            raise pytest.UsageError(
                f"the previous run crashed in {last['test']}: the list of failed tests is stale; "
                "run again without --last-failed"
            )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which test brought the previous run down."""
    test = config.stash.get(_CRASHED, "")
    return f"WARNING: the previous run crashed, or was killed, in {test}" if test else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note the test that is about to run."""
    _note(item.config, item.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Clear the note: this run came to its end."""
    _note(session.config, None)


def _note(config: pytest.Config, test: str | None) -> None:
    if config.cache is not None:
        config.cache.set(_SENTINEL, {"pid": os.getpid(), "test": test} if test else None)
