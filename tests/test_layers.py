"""Who may include and import whom: the architecture, written as tables and checked.

C: base <- os <- shm <- store <- engine <- bindings. A file includes headers of its own folder or of
a lower one. Only os/ includes headers of system calls, only bindings/ knows Python.
Python: the modules in PLAIN import the standard library and each other, so that each of the three
kinds of process can use them at once; no process imports another's module; underscore modules are
for the package itself.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

CSRC = ROOT / "csrc"
PYRAY = ROOT / "pyray"

LEVELS = ["base", "os", "shm", "store", "engine", "bindings"]
C_LANGUAGE = {
    *("assert.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "setjmp.h"),
    *("stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h"),
    *("stdlib.h", "stdnoreturn.h", "string.h"),
    "emmintrin.h",  # instructions of the processor
}
"""Headers of the C language itself: no system call hides behind what we use of them."""

PLAIN = {
    "descriptors",
    "errors.cluster_errors",
    "errors.deaths",
    "errors.object_errors",
    "errors.parts",
    "errors.task_error",
    "errors.tracebacks",
    "exceptions",
    "ids",
    "machine",
    "options",
    "runtime_env",
    "settings",
    "signatures",
}
PROCESSES = {
    "driver": {"node.session"},
    "worker": {"worker.main", "worker.execution"},
    "supervisor": {"node.supervisor"},
}
"""The modules that are the heart of one kind of process: no other kind's heart imports them."""
FORKS_INTO = {"node.supervisor": {"worker.main"}}
"""The one exception: a worker is forked from the supervisor, with its code loaded."""

LIBRARIES = ("util", "data", "tune", "train", "serve", "rllib", "dashboard")
"""Packages on top of the public API: clients like any other."""

MAY_LOOK_INSIDE = {
    "tests/unit/": {"pyray._core"},
    "tests/api/test_rough_use.py": {"pyray._core"},
    "tests/death/": {"pyray._core"},
    "tests/state/": {"pyray._core"},
    "tests/node/": {"pyray._core"},
    "tests/storm/": {"pyray._core"},
    "benchmarks/": {"pyray._core"},
}
"""Who outside of the package may import which of its underscore modules."""


def c_files() -> list[Path]:
    """Return the C files of the core, without its tests."""
    return sorted(
        path
        for level in LEVELS
        for pattern in ("*.[ch]", "*.px[di]", "*.pyx")
        for path in (CSRC / level).glob(pattern)
    )


def includes(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (delimiter, header) of every include; of `cdef extern from` in Cython files."""
    text = path.read_text()
    yield from re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text, re.MULTILINE)
    if path.suffix.startswith(".p"):
        yield from (('"', name) for name in re.findall(r'extern from "([^"<>]+)"', text))


def by_name(path: Path) -> str:
    """Return the path below the top folder, for test ids."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", c_files(), ids=by_name)
def test_c_file_includes_its_own_level_or_lower(path: Path) -> None:
    level = LEVELS.index(path.parent.name)
    allowed = set(LEVELS[: level + 1])
    for delimiter, header in includes(path):
        folder = header.partition("/")[0]
        if delimiter == '"' and (CSRC / header).is_file() and "/" in header:
            assert folder in allowed, f"{by_name(path)} includes {header} of a higher level"
        elif delimiter == '"' and level < LEVELS.index("bindings"):
            raise AssertionError(f'{by_name(path)}: write "folder/name.h" for {header}')


@pytest.mark.parametrize("path", c_files(), ids=by_name)
def test_only_os_makes_system_calls_and_only_bindings_know_python(path: Path) -> None:
    if path.parent.name in {"os", "bindings"}:
        headers = {header for _, header in includes(path)}
        assert path.parent.name == "bindings" or "Python.h" not in headers
        return
    system = {h for delimiter, h in includes(path) if delimiter == "<"} - C_LANGUAGE
    assert not system, f"{by_name(path)} includes {sorted(system)}: only os/ may"
    calls = re.findall(r"\b(?:sys)?call\(SYS_\w+|\bsyscall\(", path.read_text())
    assert not calls, f"{by_name(path)} makes system calls: {calls}"


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of every module imported, also inside functions, but not for types only.

    ``from pyray import x`` counts as ``pyray.x``, which may be a module.
    """
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    queue: list[ast.AST] = [ast.parse(path.read_text())]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            queue.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield module
            if module.partition(".")[0] == "pyray":
                yield from (f"{module}.{alias.name}" for alias in node.names)
        queue.extend(ast.iter_child_nodes(node))


def pyray_modules(names: Iterator[str]) -> set[str]:
    """Return which modules of pyray/ are among the imported names: "ids", "errors.deaths"."""
    inside = {name.removeprefix("pyray.") for name in names if name.startswith("pyray.")}
    return {name for name in inside if name == "_core" or source_of(name).is_file()}


def source_of(module: str) -> Path:
    """Return where a module of pyray/ is: "errors.deaths" in pyray/errors/deaths.py."""
    return PYRAY / f"{module.replace('.', '/')}.py"


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_plain_module_imports_standard_library_and_its_like(name: str) -> None:
    found = list(imports(source_of(name)))
    foreign = {top for top in (full.partition(".")[0] for full in found) if top != "pyray"}
    assert not foreign - sys.stdlib_module_names, f"{name} imports {sorted(foreign)}"
    higher = pyray_modules(iter(found)) - PLAIN
    assert not higher, f"{name} imports {sorted(higher)}, which are not plain"


def test_no_process_imports_the_module_of_another() -> None:
    for kind, names in PROCESSES.items():
        others = set().union(*(PROCESSES[other] for other in PROCESSES if other != kind))
        for name in names:
            crossing = pyray_modules(imports(source_of(name))) & others
            crossing -= FORKS_INTO.get(name, set())
            assert not crossing, f"{name} ({kind}) imports {sorted(crossing)}"


def test_underscore_modules_are_imported_by_the_package_only() -> None:
    outside = [
        path
        for folder in (*(f"pyray/{name}" for name in LIBRARIES), "tests", "benchmarks", "examples")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    for path in outside:
        name = by_name(path)
        allowed = set().union(
            *(modules for prefix, modules in MAY_LOOK_INSIDE.items() if name.startswith(prefix))
        )
        inside = {f"pyray.{module}" for module in pyray_modules(imports(path)) if module[0] == "_"}
        assert inside <= allowed, f"{name} imports {sorted(inside - allowed)}"


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {path.parent for path in (ROOT / "pyray").rglob("__init__.py")}
    assert sorted(listed) == sorted(".".join(path.relative_to(ROOT).parts) for path in there)


def test_the_checks_see_what_they_look_for(tmp_path: Path) -> None:
    """The parsers of this file are right about a file that holds every form."""
    folder = ROOT / "tests"
    sample = tmp_path / "sample.pyx"
    sample.write_text('cdef extern from "store/a.h":\n  #include <sys/mman.h>\n#  include "b.h"\n')
    assert set(includes(sample)) == {('"', "store/a.h"), ("<", "sys/mman.h"), ('"', "b.h")}
    found = set(imports(folder / "unit" / "test_machine.py"))
    assert {"os", "pathlib", "pyray", "pyray.machine", "pytest"} <= found
    assert pyray_modules(iter(found)) == {"machine"}


def test_import_of_pyray_brings_nothing_that_few_need() -> None:
    heavy = {
        *("tempfile", "shutil", "asyncio", "multiprocessing", "sqlite3", "http.client", "pdb"),
        *("numpy", "cloudpickle", "click", "starlette", "uvicorn", "prometheus_client"),
    }
    program = "import pyray, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert heavy & set(done.stdout.decode().split()) == set()
