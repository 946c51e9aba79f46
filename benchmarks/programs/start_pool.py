"""Start and rest of `multiprocessing.Pool`. Answers on standard output."""

import sys
import time
from multiprocessing import Pool


def identity(x: int) -> int:
    """Return the argument."""
    return x


def main() -> None:
    """Say `first` after the first result, `rest` with two workers up; end with standard input."""
    if "--numpy" in sys.argv:  # as nearly every program does that these systems are used in
        import numpy as np  # noqa: F401
    with Pool(2) as pool:
        assert pool.apply(identity, (7,)) == 7
        print("first", flush=True)
        pool.map(time.sleep, [0.2, 0.2], chunksize=1)
        print("rest", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
