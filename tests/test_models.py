"""The Promela models of the protocol: no error in them, and an error in every mutant of them.

undo.pml is the undo log under one robust lock; sched.pml is scheduling, wake-ups and recovery with
deaths at any point; spill.pml is where an object's bytes are, cancel.pml who is told of a
cancellation, restart.pml an actor's calls in its lives. A mutant is made by defining a BUG_ macro
that the model's text mentions. Needs Debian's `spin` and gcc; skipped where they are not installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODELS = Path(__file__).parent / "models"
SIZES = {
    "undo.pml": [],
    "sched.pml": ["-DNT=2", "-DNW=1", "-DKILLS=1"],
    "spill.pml": ["-DKILLS=1"],
    "cancel.pml": [],
    "restart.pml": [],
}
FORCED = {"BUG_LOOKS_NOT_AT_PARENT": ["-DFORCE"]}
"""What else a mutant needs in order to matter."""
LARGER = {
    "undo.pml": ["-DKILLS=3"],
    "sched.pml": ["-DNT=2", "-DNW=2", "-DKILLS=1"],
    "spill.pml": ["-DKILLS=2"],
    "restart.pml": ["-DNCALLS=4", "-DKILLS=3"],
}
"""More deaths or workers than the default run checks: seven minutes on two cores."""


def mutants(model: str) -> list[str]:
    """Return the mutations that a model offers."""
    return sorted(set(re.findall(r"\bBUG_[A-Z_]+", (MODELS / model).read_text())))


def errors(model: str, defines: list[str], folder: Path, limit_s: float = 50) -> int:
    """Return the number of errors that an exhaustive search of the model finds."""
    spin = shutil.which("spin")
    if spin is None or shutil.which("gcc") is None:
        pytest.skip("needs spin and gcc")

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=limit_s, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shutil.copy(MODELS / model, folder)
    run(spin, "-a", *defines, model)
    options = ["-O1", "-w", "-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", "-DMEMLIM=8000"]
    run("gcc", *options, "-o", "pan", "pan.c")
    output = run("./pan", "-E", "-m2000000")
    assert "max search depth too small" not in output, output
    found = re.search(r"errors: (\d+)", output)
    assert found is not None, output
    if found[1] == "0":
        assert "Search not completed" not in output, output
    return int(found[1])


@pytest.mark.parametrize("model", SIZES)
def test_model_has_no_error(model: str, tmp_path: Path) -> None:
    assert errors(model, SIZES[model], tmp_path) == 0
    if model == "cancel.pml":
        assert errors(model, [*SIZES[model], "-DFORCE"], tmp_path) == 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("model", LARGER)
def test_larger_model_has_no_error(model: str, tmp_path: Path) -> None:
    assert errors(model, LARGER[model], tmp_path, limit_s=1450) == 0


@pytest.mark.parametrize(
    ("model", "mutant"), [(model, mutant) for model in SIZES for mutant in mutants(model)]
)
def test_mutant_of_model_is_caught(model: str, mutant: str, tmp_path: Path) -> None:
    assert errors(model, [*SIZES[model], *FORCED.get(mutant, []), f"-D{mutant}"], tmp_path) > 0
