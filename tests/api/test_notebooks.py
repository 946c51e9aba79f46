"""Cells of a notebook: the program is typed piece by piece, and pieces are run again.

IPython's shell compiles, names and runs the cells as it does in a notebook; it is in a process of
its own, since it changes how the interpreter reports errors.
"""

from __future__ import annotations

import os
import re
import signal
import textwrap

import pytest

from tests.support import Script, run_script, started_script

SHELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(user_module=sys.modules["__main__"], colors="nocolor")


def cell(text):
    result = shell.run_cell(text, store_history=True)
    sys.stdout.flush()
    return result
"""
FIRST = 'cell("import pyray as ray; ray.init(num_cpus=2, ignore_reinit_error=True);")'


def notebook(*lines: str) -> str:
    """Return a program that runs cells: lines of Python that call `cell`."""
    return "\n".join([SHELL, FIRST, *map(textwrap.dedent, lines), 'cell("ray.shutdown()")'])


def run(*lines: str) -> str:
    """Run cells to their end; return what was printed."""
    return run_script(notebook(*lines), check=True).stdout


def test_functions_and_classes_of_the_last_run_of_a_cell_are_used() -> None:
    printed = run("""
        for version in 1, 2, 3:
            cell(f'''
        class Point:
            version = {version}
            def __init__(self, x): self.x = x

        def helper(p): return p.x + Point.version

        @ray.remote
        def task(p): return helper(p), isinstance(p, Point), Point(p.x)

        @ray.remote
        class Keeper:
            def keep(self, p): self.kept = p; return type(p) is Point
        ''')
            cell("r, same, back = ray.get(task.remote(Point(10)))")
            cell("print(r, same, type(back) is Point, ray.get(Keeper.remote().keep.remote(back)))")
    """)
    assert printed == "".join(f"{10 + version} True True True\n" for version in (1, 2, 3))


def test_all_cells_may_be_run_again() -> None:
    """Also after `shutdown()`, and with what is left of the session before."""
    printed = run("""
        for _ in range(3):
            for text in (
                "import pyray as ray",
                "ray.init(num_cpus=2, ignore_reinit_error=True);",
                "twice = ray.remote(lambda x: 2 * x)",
                "refs = [twice.remote(n) for n in range(3)]",
                "print(ray.get(refs))",
            ):
                assert cell(text).success
        cell("ray.shutdown()")
        assert not cell("ray.get(refs)").success
        for text in ("ray.init(ignore_reinit_error=True);", "print(ray.get(twice.remote(4)))"):
            assert cell(text).success
    """)
    assert printed.startswith("[0, 2, 4]\n" * 3)
    assert printed.endswith("\n8\n")


def test_output_errors_and_await_are_as_in_a_program() -> None:
    """A second `init` is refused, tasks print under their cell, errors name cell and line."""
    printed = run("""
        result = cell("ray.init(num_cpus=2)")
        assert type(result.error_in_exec) is RuntimeError and "twice" in str(result.error_in_exec)
        print("=====")
        cell("@ray.remote\\ndef says(x):\\n    print('from a task'); return 1 / x")
        assert cell("print(await says.remote(1), await says.remote(2))").success
        print("=====")
        assert isinstance(cell("ray.get(says.remote(0))").error_in_exec, ZeroDivisionError)
    """)
    _, awaited, failed = printed.split("=====\n")
    assert re.fullmatch(r"(\(says pid=\d+\) from a task\n){2}1\.0 0\.5\n", awaited)
    assert re.search(r'File "<ipython-input-\d+-\w+>", line 3, in says\n', failed)


def interrupted(script: Script, line: str) -> None:
    """Press Ctrl-C after this line was printed."""
    script.wait_for_output(line)
    os.kill(script.process.pid, signal.SIGINT)


@pytest.mark.parametrize("call", ["ray.get(ref)", "ray.wait([ref])", "await ref"])
def test_interrupted_cell_leaves_the_session_usable(call: str) -> None:
    source = notebook(f"""
        cell("import time; slow = ray.remote(lambda: time.sleep(60)); ref = slow.remote()")
        result = cell("print('waits', flush=True); {call}")
        print(type(result.error_in_exec).__name__)
        cell("ray.cancel(ref, force=True); print(ray.get(ray.remote(lambda: 'goes on').remote()))")
    """)
    with started_script(source) as script:
        interrupted(script, "waits\n")
        done = script.wait(20)
    assert done.returncode == 0, script.report()
    assert done.stdout.endswith("goes on\n")
    assert "\nKeyboardInterrupt\n" in done.stdout or "\nCancelledError\n" in done.stdout
