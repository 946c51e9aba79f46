"""Programs that say `import ray`: `install_as_ray()` and `pyray run`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, run_script

PROGRAM = """
    import importlib.util, pickle, sys
    import ray
    import ray.util.queue
    from ray.util import ActorPool
    from ray.exceptions import RayTaskError
    import pyray

    assert ray.__version__.startswith("2.") and not pyray.__version__.startswith("2.")
    assert ray.util.queue is sys.modules["pyray.util.queue"] is pyray.util.queue
    assert ray.get is pyray.get and RayTaskError is pyray.exceptions.RayTaskError
    assert pyray.util.queue.__spec__.name == "pyray.util.queue"
    assert "remote" in dir(ray) and importlib.util.find_spec("ray.util.queue")
    assert importlib.util.find_spec("ray.data") is None
    assert pickle.loads(b"cray.exceptions\\nRayTaskError\\n.") is RayTaskError
    for statement in ("import ray.data", "import ray.tune.search", "from ray import serve"):
        try:
            exec(statement)
        except ModuleNotFoundError as error:
            assert "pyray stands in for Ray" in str(error), error
        else:
            raise AssertionError(statement)

    ray.init(num_cpus=1)

    @ray.remote
    def inside():
        import ray, ray.util.queue
        from ray.util.queue import Queue, Empty
        return ray.get(ray.put(Queue is ray.util.queue.Queue)), ray.__version__, Empty

    assert ray.get(inside.remote()) == (True, ray.__version__, ray.util.queue.Empty)
    print(__name__, sys.argv[1:])
"""


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m pyray run`."""
    return subprocess.run(
        [sys.executable, "-m", "pyray", "run", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a program for Ray."""
    import textwrap

    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return path


def test_run_when_program_says_import_ray_then_it_runs_here_and_in_workers(program: Path) -> None:
    done = run_command(str(program), "-x", "--flag", "word")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "__main__ ['-x', '--flag', 'word']\n"


def test_run_when_program_raises_then_its_own_frames_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "fails.py"
    path.write_text("import ray\n1 / 0\n")
    done = run_command(str(path))
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "cli/run.py" not in done.stderr
    path.write_text("import sys\nsys.exit(7)\n")
    assert run_command(str(path)).returncode == 7


def test_run_of_a_module_and_of_nothing(program: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyray", "run", "-m", "program", "word"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=program.parent,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert done.stdout == "__main__ ['word']\n", done.stderr
    assert run_command().returncode == 2
    assert "no file" in run_command("missing.py").stderr


def test_install_when_ray_is_imported_already_then_it_is_refused() -> None:
    source = """
        import sys, types
        sys.modules["ray"] = types.ModuleType("ray")
        import pyray
        try:
            pyray.install_as_ray()
        except RuntimeError as error:
            print(error)
    """
    assert "imported already" in run_script(source, check=True).stdout
