"""What tidiness can be counted: lengths, leftovers, paths, documentation."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

LINE_LENGTH = 100
DIRECTIVE = re.compile(r"  # (noqa: [A-Z]|type: ignore\[).*")  # stays on its line
FILE_LINES = 700
FUNCTION_LINES = 90
FOLDERS = ("pyray", "csrc", "tests", "benchmarks", "examples")
CODE = {".py", ".pyi", ".c", ".h", ".pyx", ".pxd", ".pxi", ".sh"}
TEXT = CODE | {".md", ".toml", ".cfg", ".ini", ".yml", ".yaml", ".txt", ".pml", ""}
AS_THEY_CAME = ("tests/acceptance/", "tests/differential/programs/", "tests/models/")
"""Folders of files from outside or as users write them, kept as they are."""

LEFTOVERS = re.compile(r"\b(TO" "DO|FIX" "ME|XX" "X|HA" "CK)\b")
PRIVATE_PATHS = re.compile(r"(?<![\w.$}])/(?:ho" "me|ro" "ot|wo" "rk|Us" "ers)/[\\w.]")


def tracked() -> list[Path]:
    """Return the text files of the project: what git knows, or everything where git is absent."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        names = done.stdout.splitlines()
        paths = [ROOT / name for name in names]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return sorted(
        path
        for path in paths
        if path.is_file()
        and path.suffix in TEXT
        and "__pycache__" not in path.parts
        and not str(path.relative_to(ROOT)).startswith(AS_THEY_CAME)
    )


FILES = tracked()
SOURCES = [
    path for path in FILES if path.suffix in CODE and path.relative_to(ROOT).parts[0] in FOLDERS
]


def name_of(path: Path) -> str:
    """Return the path below the top folder."""
    return str(path.relative_to(ROOT))


def complain(lines: list[str]) -> None:
    """Fail with all findings at once."""
    assert not lines, "\n" + "\n".join(lines)


def test_there_are_files_to_check() -> None:
    assert {path.suffix for path in SOURCES} >= {".py"}
    assert Path(__file__) in SOURCES


def test_lines_are_short_and_end_without_spaces() -> None:
    found = []
    for path in SOURCES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(DIRECTIVE.sub("", line)) > LINE_LENGTH:
                found.append(f"{name_of(path)}:{number}: {len(line)} characters")
    for path in FILES:
        text = path.read_text()
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip():
                found.append(f"{name_of(path)}:{number}: ends with a space")
        if text and not text.endswith("\n"):
            found.append(f"{name_of(path)}: the last line has no end")
        if "\t" in text and path.suffix in CODE - {".sh"}:
            found.append(f"{name_of(path)}: has tabs")
    complain(found)


def test_nothing_is_left_to_do_and_no_private_path_is_named() -> None:
    found = []
    for path in FILES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if LEFTOVERS.search(line) or PRIVATE_PATHS.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()}")
    complain(found)


def test_files_and_functions_are_short() -> None:
    found = []
    for path in SOURCES:
        text = path.read_text()
        lines = text.count("\n")
        if lines > FILE_LINES:
            found.append(f"{name_of(path)}: {lines} lines")
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = (node.end_lineno or node.lineno) - node.lineno + 1
                    if length > FUNCTION_LINES:
                        found.append(f"{name_of(path)}:{node.lineno}: {node.name}: {length} lines")
    complain(found)


def undocumented(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    """Yield the public classes, functions and methods below `node` that have no docstring."""
    for child in node.body:
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = {ast.unparse(one).rpartition(".")[2] for one in child.decorator_list}
        if child.name.startswith("_") or decorators & {"overload", "setter", "deleter", "override"}:
            continue
        if ast.get_docstring(child) is None:
            yield f"{prefix}:{child.lineno}: {child.name} has no docstring"
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, prefix)


def test_public_python_names_are_documented() -> None:
    found = []
    for path in SOURCES:
        if path.suffix == ".py" and path.is_relative_to(ROOT / "pyray"):
            tree = ast.parse(path.read_text())
            if ast.get_docstring(tree) is None and path.read_text().strip():
                found.append(f"{name_of(path)}: no docstring")
            found += undocumented(tree, name_of(path))
    complain(found)


def test_exported_names_are_documented() -> None:
    pyray = pytest.importorskip("pyray")
    names = getattr(pyray, "__all__", [])
    missing = [name for name in names if not getattr(getattr(pyray, name), "__doc__", None)]
    assert not missing, missing


def test_c_headers_say_what_they_are_for() -> None:
    """Each header begins with a comment: what it is for, its invariants, its callers."""
    found = [
        f"{name_of(path)}: does not begin with a comment"
        for path in SOURCES
        if path.suffix == ".h" and not path.read_text().startswith("/*")
    ]
    complain(found)
