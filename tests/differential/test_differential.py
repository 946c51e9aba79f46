"""Small programs under pyray and under Ray: what they print must be the same.

PYRAY_RAY_PYTHON names the Python of an environment with Ray; without it all are skipped. A program
begins after `import ... as ray` and prints what a user can see, in an order that is certain.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support import ROOT

RAY_PYTHON = os.environ.get("PYRAY_RAY_PYTHON", "")
PREPARE = {
    "pyray": "import pyray as ray\nray.init(num_cpus=2)\n",
    "ray": "import ray\nray.init(num_cpus=2, include_dashboard=False, logging_level='ERROR')\n",
}
SHOW = """
def show(label, call):
    try:
        print(label, repr(call()))
    except BaseException as error:
        names = [base.__name__ for base in type(error).__mro__]
        print(label, "raised", names)
"""
PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


def printed(kind: str, python: str, program: Path) -> str:
    """Return what a program prints under one of the two."""
    done = subprocess.run(
        [python, "-c", PREPARE[kind] + textwrap.dedent(SHOW) + program.read_text()],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT) if kind == "pyray" else "",
            "RAY_DEDUP_LOGS": "0",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow  # Ray takes seconds to start
@pytest.mark.skipif(not RAY_PYTHON, reason="PYRAY_RAY_PYTHON is not set")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_program_prints_the_same(program: Path) -> None:
    assert printed("pyray", sys.executable, program) == printed("ray", RAY_PYTHON, program)
