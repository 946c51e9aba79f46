"""The table of settings: it is complete, documented, and refuses what is impossible."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pyray import settings
from pyray.settings import Number, Setting
from tests.support import ROOT

DOCUMENT = ROOT / "docs" / "settings.md"
NAME = re.compile(r"(PYRAY|RAY)_[A-Za-z_]+")
C_READERS = {"csrc/bindings/state.pxi": {"PYRAY_FAILPOINTS"}}
"""Variables that are read elsewhere than in pyray/, by file."""


def between(name: str) -> str:
    text = DOCUMENT.read_text()
    found = re.search(rf"<!-- {name}:begin -->\n(.*?)\n?<!-- {name}:end -->", text, re.DOTALL)
    assert found is not None
    return found[1]


def test_documentation_has_the_table_as_it_is() -> None:
    users, own = settings.markdown()
    assert between("settings") == users
    assert between("own-settings") == own


def literals(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    texts = (one.value for one in nodes if isinstance(one, ast.Constant))
    return {text for text in texts if isinstance(text, str) and NAME.fullmatch(text)}


def test_no_module_reads_a_variable_that_is_not_in_the_table() -> None:
    known = {one.variable for one in settings.table()}
    for path in sorted((ROOT / "pyray").rglob("*.py")):
        if path.name != "settings.py":
            assert not literals(path), f"{path}: take it from pyray.settings"
    for name, variables in C_READERS.items():
        text = (ROOT / name).read_text()
        found = {text for text in re.findall(r'environ\.get\("(\w+)"', text) if NAME.match(text)}
        assert found == variables <= known
    assert len(known) == len(settings.table())  # no name twice


NUMBERS = [one for one in settings.table() if isinstance(one, Number)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda one: one.variable)
def test_number_has_its_default_and_refuses_others(number: Number) -> None:
    assert number.value({}) == number.value({number.variable: " "}) == number.default
    wrong = ["x", "nan", f"{number.low - 1}", *([] if number.high > 1e300 else ["1e301"])]
    for text in [*wrong, *(["0.5"] if number.whole else [])]:
        with pytest.raises(ValueError, match=rf"{number.variable}: expected a .*{text}"):
            number.value({number.variable: text})
    assert number.variable in settings.problems({number.variable: "x"})[0]


def test_flag_is_on_when_it_is_there() -> None:
    flag = settings.IGNORE_UNHANDLED_ERRORS
    assert not flag.value({})
    assert flag.value({flag.variable: ""})


def test_choice_is_one_of_its_words() -> None:
    choice = settings.Choice(variable="X", reader="", meaning="", words=("a", "b"))
    assert choice.value({}) == "a"
    assert choice.value({"X": "B"}) == "b"
    with pytest.raises(ValueError, match="X: expected `a` or `b`, got 'c'"):
        choice.check({"X": "c"})


def test_init_names_the_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyray as ray

    monkeypatch.setenv("RAY_TASK_MAX_RETRIES", "several")
    with pytest.raises(ValueError, match="RAY_TASK_MAX_RETRIES: expected a whole number"):
        ray.init(num_cpus=1)
    assert not ray.is_initialized()


def test_what_is_no_number_has_no_wrong_value() -> None:
    assert Setting(variable="X", reader="", meaning="").text({"X": "anything"}) == "anything"
    assert settings.problems({}) == []
