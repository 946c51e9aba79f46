"""The long storm: `python -m tests.storm --minutes 10 --pause 0.6 --seed 1`.

Calm and storm take turns, so that their rates can be compared on a machine that others use too.
Exit code 0: nothing lost, wrong, hung or left over.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

import pyray
from pyray import _core
from tests.storm import storm
from tests.support import pyray_maps, session_processes


def main() -> int:
    """Run the storm that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--minutes", type=float, default=10, help="of storm; calm comes on top")
    parser.add_argument("--pause", type=float, default=0.6, help="mean seconds between two faults")
    parser.add_argument("--cycles", type=int, default=10, help="turns of calm and storm")
    parser.add_argument("--faults", default="kill", help="kill, stop or kill,stop")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="default build/storm/SEED")
    arguments = parser.parse_args()
    storm_s = arguments.minutes * 60 / arguments.cycles
    plan = storm.Plan(
        seed=arguments.seed,
        folder=arguments.folder or Path("build/storm") / str(arguments.seed),
        cycles=arguments.cycles,
        calm_s=storm_s / 4,
        storm_s=storm_s,
        pause_s=arguments.pause,
        faults=arguments.faults,
    )
    pyray.init(num_cpus=arguments.cpus, object_store_memory=1 << 30)
    session_id = f"{_core.nonce():016x}"
    report = storm.run(pyray, plan)
    pyray.shutdown()
    print(report.text())
    left, maps = session_processes(session_id), pyray_maps()
    print(f"left over: {len(left)} processes, {len(maps)} shared mappings")
    return 1 if report.findings or left or maps else 0


if __name__ == "__main__":
    sys.exit(main())
