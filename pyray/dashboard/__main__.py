"""`python -m pyray.dashboard`: the server of the session whose folder PYRAY_ADDRESS names."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from pyray import settings


def main() -> int:
    """Serve; return the exit code."""
    folder = Path(settings.ADDRESS.text())
    if not settings.ADDRESS.text() or not folder.is_dir():
        return _fail(f"{settings.ADDRESS.variable} must be the folder of a session, not {folder}")
    os.umask(0o077)
    (folder / "logs").mkdir(exist_ok=True)
    logging.basicConfig(
        filename=folder / "logs" / "dashboard.log",
        format="%(asctime)s %(levelname)s %(message)s",
        level=logging.INFO,
    )
    try:
        from pyray.dashboard import server
    except ModuleNotFoundError as error:
        return _fail(f"the server of jobs needs {error.name}: pip install 'pyray[default]'")
    try:
        server.run(folder.absolute())
    except (OSError, RuntimeError, ValueError) as error:
        return _fail(str(error))
    return 0


def _fail(words: str) -> int:
    sys.stderr.write(f"pyray.dashboard: {words}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
