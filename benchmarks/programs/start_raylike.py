"""Start and rest of pyray or Ray: `start_raylike.py MODULE`. Answers on standard output."""

import importlib
import sys


def identity(x: int) -> int:
    """Return the argument."""
    return x


def overlap(seconds: float) -> None:
    """Sleep, so that a second task needs a second worker."""
    import time

    time.sleep(seconds)


def main() -> None:
    """Say `first` after the first result, `rest` with two workers up; end with standard input."""
    if "--numpy" in sys.argv:  # as nearly every program does that these systems are used in
        import numpy as np  # noqa: F401
    ray = importlib.import_module(sys.argv[1])
    ray.init(num_cpus=2)
    assert ray.get(ray.remote(identity).remote(7)) == 7
    print("first", flush=True)
    ray.get([ray.remote(overlap).remote(0.2) for _ in range(2)])
    print("rest", flush=True)
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
