"""Errors of tasks that nobody has fetched: reported once, so that none is lost."""

from __future__ import annotations

import logging

from pyray import exceptions, settings

logger = logging.getLogger("pyray")

MOST_AT_END = 20


def report(error: BaseException) -> None:
    """Log an error that nobody has fetched, unless the user does not want that.

    Args:
        error: What `ray.get` would have raised.
    """
    setting = settings.IGNORE_UNHANDLED_ERRORS
    if setting.value() or isinstance(error, exceptions.TaskCancelledError):
        return
    logger.error("Unhandled error (suppress with '%s=1'): %s", setting.variable, error)
