"""Does harm to the workers of a session, from a process of its own, and looks for zombies.

    python -m tests.storm.nemesis SUPERVISOR SEED PAUSE_S FAULTS FILE

FAULTS: kill, stop (and continue within a second), or both as `kill,stop`. It works while its
standard input is open, and writes what it did to FILE, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.support import process

ZOMBIE_S = 1.0


def children(pid: int) -> list[int]:
    """Return the children of a process, zombies included."""
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Nemesis:
    """Harms one session.

    Args:
        supervisor: The parent of its workers.
        rng: For whom, when and what.
        file: Where to write.
    """

    def __init__(self, supervisor: int, rng: random.Random, file: Path) -> None:
        self.supervisor, self.rng = supervisor, rng
        self.file = file.open("w", encoding="ascii")
        self.counts: Counter[str] = Counter()
        self.zombies: dict[int, float] = {}
        self.stopped: dict[int, float] = {}

    def note(self, what: str, pid: int) -> None:
        """Write a line."""
        self.counts[what] += 1
        self.file.write(json.dumps({"time_s": time.monotonic(), "what": what, "pid": pid}) + "\n")
        self.file.flush()

    def harm(self, fault: str) -> None:
        """Do one thing to a random worker."""
        workers = [pid for pid in children(self.supervisor) if pid not in self.stopped]
        if not workers:
            return
        victim = self.rng.choice(workers)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
            if fault == "stop":
                self.stopped[victim] = time.monotonic() + self.rng.uniform(0.01, 1)
            self.note(fault, victim)

    def look(self) -> None:
        """Continue whom it is time for; note zombies that nobody buries."""
        now = time.monotonic()
        for pid in [pid for pid, until_s in self.stopped.items() if until_s < now]:
            del self.stopped[pid]
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        found = [pid for pid in children(self.supervisor) if (p := process(pid)) and p.state == "Z"]
        self.zombies = {pid: self.zombies.get(pid, now) for pid in found}
        for pid, since_s in self.zombies.items():
            if now - since_s > ZOMBIE_S:
                self.note("zombie", pid)

    def work(self, pause_s: float, faults: list[str]) -> None:
        """Until standard input is closed."""
        next_s = time.monotonic()
        while not select.select([sys.stdin], [], [], min(0.05, pause_s / 4))[0]:
            self.look()
            if time.monotonic() >= next_s:
                next_s += self.rng.uniform(0, 2 * pause_s)
                self.harm(self.rng.choice(faults))
        for pid in self.stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.file.close()


def main() -> None:
    """Work with the arguments of the command line."""
    supervisor, seed, pause_s, faults, file = sys.argv[1:]
    nemesis = Nemesis(int(supervisor), random.Random(seed), Path(file))
    nemesis.work(float(pause_s), faults.split(","))


if __name__ == "__main__":
    main()
