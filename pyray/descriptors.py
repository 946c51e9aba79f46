"""Descriptors above those of standard input, output and error.

A program that was started with one of these closed gets its number for the next file that it opens;
what the program then prints would go there.
"""

from __future__ import annotations

import fcntl
import os

LAST_STANDARD = 2


def above_standard(descriptor: int) -> int:
    """Return a descriptor of the same file above 2, not inherited; a lower one is closed.

    Raises:
        OSError: If this process may open no more files; a lower one is closed then, too.
    """
    if descriptor > LAST_STANDARD:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LAST_STANDARD + 1)
    finally:
        os.close(descriptor)
