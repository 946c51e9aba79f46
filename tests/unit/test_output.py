"""The stream that workers print to."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from pyray.worker.output import PrefixedStream

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Yield a pipe's (reading end, writing end)."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_bytes_of_a_character_may_come_in_pieces(pipe: Pipe) -> None:
    stream = PrefixedStream(pipe[1], prefixed=False)
    for byte in "ä日\n".encode():
        assert stream.buffer.write(bytes([byte])) == 1
    assert os.read(pipe[0], 100) == "ä日\n".encode()
    stream.buffer.write(b"\xff\n")
    assert os.read(pipe[0], 100) == b"\\xff\n"


def test_threads_that_print_lose_no_text(pipe: Pipe) -> None:
    stream = PrefixedStream(pipe[1], prefixed=False)
    read = bytearray()

    def drain() -> None:
        while len(read) < 4 * 1000 * 3:
            read.extend(os.read(pipe[0], 65536))

    def work(letter: str) -> None:
        for _ in range(1000):
            stream.write(letter)
            stream.write(letter + "\n")

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
    reader = threading.Thread(target=drain, daemon=True)
    for thread in [reader, *threads]:
        thread.start()
    for thread in [*threads, reader]:
        thread.join(20)
    assert sorted(read.decode().replace("\n", "")) == sorted("abcd" * 2000)


def test_full_pipe_that_does_not_block_is_waited_for_without_work(pipe: Pipe) -> None:
    os.set_blocking(pipe[1], False)
    stream = PrefixedStream(pipe[1], prefixed=False)
    size = 1 << 20
    used_s: list[float] = []

    def write() -> None:
        stream.write("x" * size + "\n")
        used_s.append(time.thread_time())

    writer = threading.Thread(target=write)
    writer.start()
    writer.join(0.3)
    assert writer.is_alive()
    left = size + 1
    while left:
        left -= len(os.read(pipe[0], 65536))
    writer.join(20)
    assert used_s[0] < 0.15


def test_printing_while_printing_does_not_hang(pipe: Pipe) -> None:
    stream = PrefixedStream(pipe[1], prefixed=False)
    with stream._lock:
        stream.write("from a finaliser\n")
    assert os.read(pipe[0], 100) == b"from a finaliser\n"
