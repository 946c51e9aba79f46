"""Where references were made, for `pyray memory`: RAY_record_ref_creation_sites=1."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyray import _core, settings

if TYPE_CHECKING:
    from types import CodeType

    from pyray.engine import Submitter

OF_SITE = 4
"""`PR_LABEL_SITE` in csrc/engine/labels.h."""
OURS = str(Path(__file__).parent) + os.sep
LENGTH = 100
"""Of a site's text: its end, which has line and function."""


def is_on() -> bool:
    """Return whether sites are recorded."""
    return settings.RECORD_CREATION_SITES.value() == "1"


class Sites:
    """The sites of one session."""

    def __init__(self) -> None:
        self._labels: dict[tuple[CodeType, int], int] = {}

    def mark(self) -> None:
        """Note where the user's code is that called the API: what it makes now is made there."""
        frame = sys._getframe(1)  # noqa: SLF001  (what the inspect module does, without its cost)
        while frame.f_back is not None and frame.f_code.co_filename.startswith(OURS):
            frame = frame.f_back
        key = frame.f_code, frame.f_lineno
        label = self._labels.get(key)
        if label is None:
            text = f"{frame.f_code.co_filename}:{frame.f_lineno}:{frame.f_code.co_name}"
            label = self._labels[key] = _core.label(OF_SITE, text[-LENGTH:])
        _core.set_call_site(label)

    def marked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that marks the site of its caller first."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.mark()
            return function(*args, **kwargs)

        return call


class MarkedSubmitter:
    """A submitter that marks the site of its caller first.

    Args:
        submitter: Does the work.
        sites: Where sites are noted.
    """

    def __init__(self, submitter: Submitter, sites: Sites) -> None:
        self._submitter = submitter
        self._sites = sites

    @property
    def is_current(self) -> bool:
        """Whether it belongs to the engine's present session."""
        return self._submitter.is_current

    def submit(self, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        """Send a call off."""
        self._sites.mark()
        return self._submitter.submit(args, kwargs)
