"""SIGKILL of the driver at random moments: `python -m tests.storm.driver_kills --times 1000`.

After each, every process that the driver had started must be gone within a second, and with the
last of them the kernel frees the memory; no file with pyray's name may have appeared.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import sys
import time

from tests.death.test_processes import kill_at_random_moments


def names() -> set[str]:
    """Return the names in /tmp and /dev/shm that are pyray's."""
    return {
        f"{folder}/{name}"
        for folder in ("/tmp", "/dev/shm")
        for name in os.listdir(folder)
        if "pyray" in name and not name.startswith("pyray-test-")
    }


def main() -> int:
    """Kill as often as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.driver_kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1500, help="stop after so long")
    arguments = parser.parse_args()
    rng, before = random.Random(arguments.seed), names()
    begin_s, done = time.monotonic(), 0
    while done < arguments.times and time.monotonic() - begin_s < arguments.seconds:
        kill_at_random_moments(rng, 1)
        done += 1
    new = names() - before
    print(
        f"{done} drivers killed in {time.monotonic() - begin_s:.0f} s, seed {arguments.seed}: "
        f"nothing left after 1 s; {len(new)} new files {sorted(new) or ''}"
    )
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
