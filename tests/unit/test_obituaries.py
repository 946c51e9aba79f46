"""The register of dead workers, written and read in one process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pyray import obituaries
from pyray.obituaries import RECORD_BYTES, ROOM, Obituary, Register, obituary, of_supervisor


@pytest.fixture
def register() -> Iterator[Register]:
    """Yield a register of this process."""
    made = Register()
    yield made
    made.close()


def test_the_last_ones_are_kept_the_newest_first(register: Register) -> None:
    assert of_supervisor(os.getpid()) == []
    noted = [Obituary(pid, pid + 1, pid + 2, 0, "w\u00f6rds") for pid in range(1, ROOM + 6)]
    for one in noted:
        register.note(one)
    assert of_supervisor(os.getpid()) == noted[:4:-1]
    assert os.fstat(register._fd).st_size == ROOM * RECORD_BYTES


def test_long_words_are_cut(register: Register) -> None:
    register.note(Obituary(1, 2, 3, 0, "x" * 10_000))
    [one] = of_supervisor(os.getpid())
    assert set(one.words) == {"x"}
    assert len(one.words) > 400


def test_a_damaged_record_is_passed_over(register: Register) -> None:
    for pid in (1, 2, 3):
        register.note(Obituary(pid, 0, 0, 0, ""))
    os.pwrite(register._fd, b"\xff", 2 * RECORD_BYTES + 50)
    assert [one.pid for one in of_supervisor(os.getpid())] == [3, 1]


@pytest.mark.parametrize(
    ("status", "asked", "shortage", "manner", "words"),
    [
        (9, True, "", obituaries.ON_REQUEST, "Worker was killed on request."),
        (0, True, "", obituaries.ON_REQUEST, "Worker exits as it was asked to."),
        (11, True, "", obituaries.CRASH, "unexpectedly: killed by SIGSEGV"),
        (3 << 8, False, "", obituaries.CRASH, "unexpectedly: exit code 3.\nlast line"),
        (9, False, "no memory", obituaries.OUT_OF_MEMORY, "no memory"),
    ],
)
def test_manner_of_death(
    status: int,
    asked: bool,  # noqa: FBT001  (a parameter)
    shortage: str,
    manner: int,
    words: str,
) -> None:
    one = obituary(7, 2.0, status, asked=asked, shortage=shortage, last_words="last line")
    assert (one.pid, one.ended_ms - one.began_ms, one.manner) == (7, 2000, manner)
    assert words in one.words
