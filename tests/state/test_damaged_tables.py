"""Who looks at a session whose tables have wrong bytes sees wrong things, and nothing worse."""

from __future__ import annotations

import random

from tests.support import run_script

PROGRAM = """
import contextlib, os, random, sys

import pyray as ray
from pyray import _core

CASES, ROOTS = 400, 4096   # the roots begin behind the header's page
TABLES = ("tasks", "objects", "holds", "actors", "slots", "labels")
chance = random.Random(int(sys.argv[1]))


@ray.remote
def work(_):
    return bytes(100_000)


@ray.remote
class Counter:
    def count(self):
        return 1


def descriptor(name):
    return next(
        int(fd) for fd in os.listdir("/proc/self/fd")
        if name in os.readlink(f"/proc/self/fd/{fd}")
    )


def extents(fd):
    at, size = 0, os.fstat(fd).st_size
    while True:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(fd, at, os.SEEK_HOLE)
        yield at, end
        at = end


def copy(fd):
    \"\"\"What is in the session's tables, in memory of nobody else's.\"\"\"
    new = os.memfd_create("damaged")
    os.truncate(new, os.fstat(fd).st_size)
    for at, end in extents(fd):
        os.pwrite(new, os.pread(fd, end - at, at), at)
    return new


def read_all(reader):
    for name in TABLES:
        reader.table(name)
    for name in ("events", "ended", "spans"):
        reader.ring(name)
    for number in range(4):
        reader.text(number)
    for shape in range(8):
        reader.demand(shape)
    reader.tally(), reader.resources(), reader.placements(), reader.counts(), reader.store_stats()


ray.init(num_cpus=2)
from pyray.util import placement_group
group = placement_group([{"CPU": 1}], name="kept")
counter = Counter.options(name="counter").remote()
kept = [work.remote(ray.put(n)) for n in range(20)]
ray.get(kept + [counter.count.remote()])
control = copy(descriptor("pyray-control"))
heap = os.dup(descriptor("pyray-heap"))
reader = _core.Reader(control, heap)
used = [(at, end) for at, end in extents(control)]
read_all(reader)
for _ in range(CASES):
    changed = []
    for _ in range(chance.randint(1, 40)):
        at, end = chance.choice(used)
        offset = max(ROOTS, chance.randrange(at, min(end, at + 8192)))
        changed.append((offset, os.pread(control, 1, offset)))
        os.pwrite(control, bytes([chance.randrange(256)]), offset)
    read_all(reader)
    for offset, byte in reversed(changed):
        os.pwrite(control, byte, offset)
print("read")
"""


def test_observer_of_damaged_tables_lives(rng: random.Random) -> None:
    seed = str(rng.randrange(1 << 30))
    assert run_script(PROGRAM, args=[seed], check=True).stdout == "read\n", seed
