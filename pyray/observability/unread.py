"""Errors of tasks that nobody has fetched: reported once, so that none is lost."""

from __future__ import annotations

import logging

from pyray import exceptions, settings

logger = logging.getLogger("pyray")

MOST_AT_END = 20
EXPECTED = exceptions.TaskCancelledError, exceptions.ObjectRefStreamEndOfStreamError
"""Of a task that was not wanted any more, or a stream's usual end."""


def report(error: BaseException) -> None:
    """Log an error that nobody has fetched, unless the user does not want that.

    Args:
        error: What `ray.get` would have raised.
    """
    setting = settings.IGNORE_UNHANDLED_ERRORS
    if setting.value() or isinstance(error, EXPECTED):
        return
    logger.error("Unhandled error (suppress with '%s=1'): %s", setting.variable, error)
