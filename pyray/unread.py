"""Errors of tasks that nobody has fetched: reported once, so that none is lost."""

from __future__ import annotations

import logging
import os

from pyray import exceptions

logger = logging.getLogger("pyray")

SUPPRESS = "RAY_IGNORE_UNHANDLED_ERRORS"
MOST_AT_END = 20


def report(error: BaseException) -> None:
    """Log an error that nobody has fetched, unless the user does not want that.

    Args:
        error: What `ray.get` would have raised.
    """
    if SUPPRESS in os.environ or isinstance(error, exceptions.TaskCancelledError):
        return
    logger.error("Unhandled error (suppress with '%s=1'): %s", SUPPRESS, error)
