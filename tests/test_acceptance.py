"""The acceptance programs: scripts as users write them, each in an interpreter of its own.

Each exits with 0, says `ok` last, and leaves nothing behind. They are a floor: they came from
outside and are kept as they came.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import run_script

PROGRAMS = sorted((Path(__file__).parent / "acceptance").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_acceptance_program_says_ok(program: Path) -> None:
    done = run_script(program.read_text(), timeout_s=45, check=True)
    assert done.stdout.splitlines()[-1:] == ["ok"], done
    assert "Traceback" not in done.stderr, done.stderr
