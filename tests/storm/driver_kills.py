"""SIGKILL of the driver at random moments: `python -m tests.storm.driver_kills --times 1000`.

After each, every process that the driver had started must be gone within a second, and with the
last of them the kernel frees the memory. A driver that dies before it has a supervisor leaves its
folders to the next session; after that one, nothing may be left in the directory for temporary
files.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.death.test_processes import kill_at_random_moments
from tests.support import run_script

NEXT_SESSION = "import pyray; pyray.init(num_cpus=1); pyray.shutdown()"


def kill_often(rng: random.Random, times: int, seconds: float) -> int:
    """Kill drivers so often, or until the time is over; return how often."""
    begin_s, done = time.monotonic(), 0
    while done < times and time.monotonic() - begin_s < seconds:
        kill_at_random_moments(rng, 1)
        done += 1
    return done


def main() -> int:
    """Kill as often as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm.driver_kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1500, help="stop after so long")
    arguments = parser.parse_args()
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pyray-test-") as place:
        os.environ |= {"TMPDIR": place, "XDG_RUNTIME_DIR": place}
        done = kill_often(random.Random(arguments.seed), arguments.times, arguments.seconds)
        run_script(NEXT_SESSION, check=True)
        left = [path for path in Path(place).rglob("*") if path.parent != Path(place)]
        left += Path(place).glob("pyray-spill-*")
    print(
        f"{done} drivers killed in {time.monotonic() - begin_s:.0f} s, seed {arguments.seed}: "
        f"nothing left after 1 s; {len(left)} files left {sorted(map(str, left)) or ''}"
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
