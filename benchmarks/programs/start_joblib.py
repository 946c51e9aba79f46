"""Start and rest of joblib's default backend. Answers on standard output."""

import sys
import time

from joblib import Parallel, delayed


def identity(x: int) -> int:
    """Return the argument."""
    return x


def main() -> None:
    """Say `first` after the first result, `rest` with two workers up; end with standard input."""
    if "--numpy" in sys.argv:  # as nearly every program does that these systems are used in
        import numpy as np  # noqa: F401
    assert Parallel(n_jobs=2)([delayed(identity)(7)]) == [7]
    print("first", flush=True)
    Parallel(n_jobs=2)([delayed(time.sleep)(0.2), delayed(time.sleep)(0.2)])
    print("rest", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
