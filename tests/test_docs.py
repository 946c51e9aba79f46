"""The programs of README.md and docs/*.md: what they show is what happens.

The ```python blocks of a file are one program, in order; blocks of another language are not run. A
comment after a print on the same line is the line that it must print, `...` standing for anything:

    print(1 + 1)  # 2
    print(worker)  # ...pid=...
"""

from __future__ import annotations

import fnmatch
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyray
from pyray.options import ACTOR_OPTIONS, TASK_OPTIONS
from tests.support import ROOT, run_script

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LIMIT_S = 20
"""A page takes some 2 s; this is for a machine that is busy with other things."""

_SHOWN = re.compile(r"^\s*print\(.*\)  # (?P<output>.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def program_of(text: str) -> str:
    """Return the program of a page, each line where the page has it, so that tracebacks fit."""
    lines = []
    language = None  # None: outside of a block
    for line in text.splitlines():
        fence = line.startswith("```")
        lines.append(line if language == "python" and not fence else "")
        if fence:
            language = line[3:].strip() if language is None else None
    assert language is None, "a block has no end"
    return "\n".join(lines) + "\n"


def missing_lines(expected: list[str], printed: list[str]) -> Iterator[str]:
    """Yield the expected lines that were not printed, at the first of which the order breaks."""
    rest = iter(printed)
    for line in expected:
        pattern = line.replace("[", "[[]").replace("?", "[?]").replace("*", "[*]")
        pattern = pattern.replace("...", "*")
        if not any(fnmatch.fnmatchcase(one, pattern) for one in rest):
            yield line


@every_page
def test_programs_of_the_page_do_what_it_says(page: Path) -> None:
    program = program_of(page.read_text())
    if not program.strip():
        pytest.skip("no programs")
    done = run_script(program, timeout_s=LIMIT_S, check=True)
    expected = [match["output"] for match in _SHOWN.finditer(program)]
    missing = list(missing_lines(expected, done.stdout.splitlines()))
    assert not missing, f"not printed: {missing[0]!r}; printed:\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr


@every_page
def test_links_of_the_page_lead_somewhere(page: Path) -> None:
    targets = [match["target"] for match in _LINK.finditer(page.read_text())]
    dead = [
        target
        for target in targets
        if not target.startswith(("https://", "http://")) and not (page.parent / target).exists()
    ]
    assert not dead


def test_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text()
    missing = [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text]
    assert not missing


def test_promises_name_tests_that_exist() -> None:
    promises = (ROOT / "README.md").read_text().partition("## Promises")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:tests|csrc)/[^`]+)`", promises)
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_settings_name_every_argument_option_and_variable() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    readme = (ROOT / "README.md").read_text()
    arguments = [name for name in inspect.signature(pyray.init).parameters if name != "kwargs"]
    sources = [*(ROOT / "pyray").glob("*.py"), *(ROOT / "csrc").rglob("*.p[yx]*")]
    variables = {
        name for path in sources for name in re.findall(r"\bPYRAY_[A-Z_]+\b", path.read_text())
    }
    missing = [name for name in [*arguments, *sorted(variables)] if f"`{name}`" not in text]
    options = {name for name in [*TASK_OPTIONS, *ACTOR_OPTIONS] if not name.startswith("_")}
    missing += sorted(name for name in options if f"`{name}`" not in text + readme)
    assert not missing


def test_outputs_are_compared_in_order() -> None:
    assert not list(missing_lines(["a", "b..."], ["a", "between", "bc"]))
    assert list(missing_lines(["b", "a"], ["a", "b"])) == ["a"]
    assert not list(missing_lines(["[1, 2]"], ["[1, 2]"]))


def test_only_python_blocks_are_programs() -> None:
    page = "text\n```python\nx = 1\n```\n```text\ny\n```\n"
    assert program_of(page) == "\n\nx = 1\n\n\n\n\n"
