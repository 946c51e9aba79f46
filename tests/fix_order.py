"""Random order of tests, from a seed that is printed: PYRAY_TEST_SEED repeats an order.

Modules are shuffled, and the tests inside each, so that a module's session starts once. `rng` gives
a test random numbers of its own from the same seed, whatever runs before it.
"""

from __future__ import annotations

import os
import random

import pytest

_SEED = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed."""
    config.stash[_SEED] = os.environ.get("PYRAY_TEST_SEED") or str(
        random.SystemRandom().getrandbits(32)
    )


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seed."""
    return f"order: PYRAY_TEST_SEED={config.stash[_SEED]}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle modules and the tests inside them; doctests and the like count as modules too."""
    order = random.Random(config.stash[_SEED])
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    names = sorted(modules)
    order.shuffle(names)
    for name in names:
        modules[name].sort(key=lambda item: item.nodeid)
        order.shuffle(modules[name])
    items[:] = [item for name in names for item in modules[name]]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """After a failure say how to repeat the order."""
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        terminalreporter.line(f"to repeat this order: PYRAY_TEST_SEED={config.stash[_SEED]}")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that depend on the run's seed and the test's name only."""
    return random.Random(f"{request.config.stash[_SEED]}:{request.node.nodeid}")
