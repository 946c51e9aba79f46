"""`pyray run`: a program that says `import ray`, on pyray."""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path

import click

from pyray.as_ray import install_as_ray


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-m", "module", metavar="MODULE", help="Run a module instead of a file.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(module: str | None, arguments: tuple[str, ...]) -> None:
    """Run a program, unchanged, whose `import ray` gives pyray.

    As `python PROGRAM ARGUMENTS...`, in this process and in its workers.
    """
    if not module and not arguments:
        raise click.UsageError("Say which program: pyray run program.py, or pyray run -m module.")
    if not module and not Path(arguments[0]).is_file():
        raise click.ClickException(f"There is no file {arguments[0]!r}.")
    install_as_ray()
    try:
        if module:
            _run_module(module, list(arguments))
        else:
            _run_file(arguments[0], list(arguments))
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  (shown as Python shows it, without our frames)
        _show(error)
        # click would make "Aborted!" of Ctrl-C.
        raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 1) from None


def _run_module(name: str, arguments: list[str]) -> None:
    sys.argv = [name, *arguments]
    sys.path.insert(0, str(Path.cwd()))
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run_file(path: str, arguments: list[str]) -> None:
    """Run a file as `__main__`, which it stays: exit handlers and threads may need its globals."""
    sys.argv = arguments
    sys.path.insert(0, str(Path(path).resolve().parent))
    code = compile(Path(path).read_bytes(), path, "exec")
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    exec(code, module.__dict__)  # noqa: S102  (the user's program)


def _show(error: BaseException) -> None:
    own = {__file__, runpy.__file__, "<frozen runpy>"}
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in own:
        trace = trace.tb_next
    trace = trace or error.__traceback__
    sys.excepthook(type(error), error.with_traceback(trace), trace)
