"""Start and rest of `ProcessPoolExecutor`. Answers on standard output."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor


def identity(x: int) -> int:
    """Return the argument."""
    return x


def main() -> None:
    """Say `first` after the first result, `rest` with two workers up; end with standard input."""
    if "--numpy" in sys.argv:  # as nearly every program does that these systems are used in
        import numpy as np  # noqa: F401
    with ProcessPoolExecutor(2) as executor:
        assert executor.submit(identity, 7).result() == 7
        print("first", flush=True)
        list(executor.map(time.sleep, [0.2, 0.2]))
        print("rest", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
