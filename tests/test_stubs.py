"""The stub of the compiled module says what was built, and the package fits it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

HELPERS = (
    "Encoded HeapMapping Helped Pickled PicklerMixin RefArray Results ReusedPickler Sink "
    "ThreadLatch Waiting"
)
ALLOWED = rf"""
# Classes of the binding's own use: no Python code names them.
pyray\._core\.({HELPERS.replace(" ", "|")})(\..*)?
# Cython's, in every module and class.
pyray\._core\.(\w+\.)?__(reduce|setstate)_cython__
pyray\._core\.__test__
# Buffers by the C interface have this method only since Python 3.12.
pyray\._core\.(View|Slice|WritableCopy|Creation)\.__buffer__
"""


def test_stub_of_compiled_module_is_right(tmp_path: Path) -> None:
    allowlist = tmp_path / "allowed"
    allowlist.write_text(ALLOWED)
    options = ["--ignore-unused-allowlist", f"--allowlist={allowlist}"]
    options.append("--mypy-config-file=pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", *options, "pyray._core"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
