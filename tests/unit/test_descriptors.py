"""Descriptors above those of the standard files."""

from __future__ import annotations

import errno
import os

import pytest

from pyray import descriptors


def test_descriptor_that_is_high_enough_stays() -> None:
    given = os.eventfd(0)
    try:
        assert descriptors.above_standard(given) == given
    finally:
        os.close(given)


def test_descriptor_that_is_too_low_is_moved_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    low = os.eventfd(7)
    monkeypatch.setattr(descriptors, "LAST_STANDARD", low)
    moved = descriptors.above_standard(low)
    try:
        assert moved > low
        assert not os.get_inheritable(moved)
        assert os.eventfd_read(moved) == 7
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
            os.fstat(low)
    finally:
        os.close(moved)
