"""The examples in the docstrings of pyray's modules, run as the interactive sessions they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import pyray

WITHOUT_SESSION = {"pyray.job_config", "pyray.profiling", "pyray.node.session"}
"""Modules whose examples start a session themselves."""


def modules() -> list[str]:
    """Return the names of pyray's Python modules."""
    names = [f"pyray.{module.name}" for module in pkgutil.iter_modules(pyray.__path__)]
    return sorted(name for name in names if name != "pyray._core")


def examples_of(name: str) -> list[doctest.DocTest]:
    """Return the docstrings of a module that have examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [one for one in finder.find(importlib.import_module(name)) if one.examples]


@pytest.fixture
def session_for(request: pytest.FixtureRequest) -> Iterator[None]:
    """A session for the examples of the module, unless they start one."""
    if request.node.callspec.params["name"] in WITHOUT_SESSION:
        yield
    else:
        with pyray.init(num_cpus=2):
            yield


@pytest.mark.parametrize("name", [name for name in modules() if examples_of(name)])
def test_examples_in_docstrings_do_what_they_show(
    name: str, session_for: None, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for one in examples_of(name):
        runner.run(one)
    results = runner.summarize(verbose=False)
    assert results.failed == 0, capsys.readouterr().out
    assert results.attempted > 0
