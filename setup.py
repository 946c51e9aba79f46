"""Build of the compiled core: every C file of csrc/ and one Cython module, `pyray._core`.

``PYRAY_BUILD`` selects the variant: ``release`` (default) or ``debug`` (assertions of the whole
segment after each repair, failpoints, Cython's bounds checks, no optimisation).
"""

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup

if sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}:
    sys.exit(
        f"pyray runs on Linux, x86-64 or aarch64; this is {sys.platform} on {platform.machine()}. "
        "It rests on memfd, futexes and pidfds. On macOS or Windows use a Linux container or WSL 2."
    )
if sys.version_info < (3, 11):
    sys.exit(f"pyray needs Python 3.11 or newer; this is {platform.python_version()}.")

from Cython.Build import cythonize  # after the checks, so that they speak first

VARIANT = os.environ.get("PYRAY_BUILD", "release")
FLAGS = {
    "release": (["-O2", "-g", "-fno-strict-aliasing", "-fno-semantic-interposition"], {}),
    "debug": (
        ["-O1", "-g", "-fno-strict-aliasing", "-DPR_DEBUG=1"],
        {"boundscheck": True, "nonecheck": True},
    ),
}
if VARIANT not in FLAGS:
    sys.exit(f"PYRAY_BUILD must be one of {', '.join(FLAGS)}, not {VARIANT!r}.")
c_flags, directives = FLAGS[VARIANT]

C_SOURCES = sorted(
    str(path)
    for folder in ("base", "os", "shm", "store", "engine")
    for path in Path("csrc", folder).glob("*.c")
)
HEADERS = sorted(str(path) for path in Path("csrc").rglob("*.h"))
BINDINGS = sorted(str(path) for path in Path("csrc/bindings").glob("*.px[di]"))

core = Extension(
    "pyray._core",
    sources=["csrc/bindings/_core.pyx", *C_SOURCES],
    depends=HEADERS + BINDINGS,
    include_dirs=["csrc"],
    extra_compile_args=["-std=gnu11", *c_flags],
)
setup(
    ext_modules=cythonize(
        [core],
        build_dir=f"build/cython-{VARIANT}",
        include_path=["csrc/bindings"],
        compiler_directives={
            "language_level": 3,
            "binding": True,
            "embedsignature": False,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            **directives,
        },
    )
)
