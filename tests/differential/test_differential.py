"""Small programs print under pyray what they print under Ray, but for the listed differences.

What Ray prints is recorded beside each program; where PYRAY_RAY_PYTHON names the Python of an
environment with Ray, the slow tier looks whether it still does.
"""

from __future__ import annotations

import pytest

from tests.differential.running import (
    DIFFERENCES,
    FOLDER,
    PROGRAMS,
    RAY_PYTHON,
    SLOW,
    expected,
    recorded,
    run,
)
from tests.support import SLOWNESS


def wanted(request: pytest.FixtureRequest, test: str) -> list[str]:
    """Return the programs for which this run has `test`."""
    return [
        item.callspec.params["program"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test
    ]


@pytest.fixture(scope="module")
def ours(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the programs print under pyray."""
    names = wanted(request, "test_program_prints_what_ray_does")
    return run("pyray", names, timeout_s=120 * SLOWNESS)


@pytest.fixture(scope="module")
def rays(request: pytest.FixtureRequest) -> dict[str, str]:
    """What they print under Ray, now."""
    return run("ray", wanted(request, "test_ray_prints_what_was_recorded"), timeout_s=1200)


@pytest.mark.timeout(150)  # the first one waits for all programs
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [], id=name)
        for name in PROGRAMS
    ],
)
def test_program_prints_what_ray_does(program: str, ours: dict[str, str]) -> None:
    assert ours.get(program, "not reached") == expected(program, recorded(program))


@pytest.mark.slow  # Ray takes seconds to start
@pytest.mark.timeout(1300)
@pytest.mark.skipif(not RAY_PYTHON, reason="PYRAY_RAY_PYTHON is not set")
@pytest.mark.parametrize("program", PROGRAMS)
def test_ray_prints_what_was_recorded(program: str, rays: dict[str, str]) -> None:
    assert rays.get(program, "not reached") == recorded(program)


def test_every_answer_and_difference_is_of_a_program() -> None:
    answers = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.txt")}
    assert answers == set(PROGRAMS)
    assert {difference["program"] for difference in DIFFERENCES} <= set(PROGRAMS)
    assert set(PROGRAMS) >= SLOW
    assert not [name for name in PROGRAMS if "uncaught TimeoutError" in recorded(name)]
