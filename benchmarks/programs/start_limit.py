"""The limit of a start: a new Python that forks two workers and has one of them answer."""

import os
import sys


def main() -> None:
    """Say `first` after the answer of a forked child, `rest` likewise; end with standard input."""
    request, requests = os.pipe()
    answer, answers = os.pipe()
    if not (os.fork() and os.fork()):
        os.close(requests)
        while task := os.read(request, 1):
            os.write(answers, task)
        os._exit(0)
    os.write(requests, b"7")
    assert os.read(answer, 1) == b"7"
    print("first\nrest", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
