"""Record what Ray prints: `PYRAY_RAY_PYTHON=... python -m tests.differential.record [PREFIX...]`.

Without prefixes, programs that have no answer yet; `all` records every one again.
"""

from __future__ import annotations

import sys

from tests.differential.running import PROGRAMS, RAY_PYTHON, run


def chosen(prefixes: list[str]) -> list[str]:
    """Return the programs that the arguments mean."""
    if prefixes == ["all"]:
        return list(PROGRAMS)
    if prefixes:
        return [name for name in PROGRAMS if name.startswith(tuple(prefixes))]
    return [name for name, path in PROGRAMS.items() if not path.with_suffix(".txt").exists()]


def main() -> None:
    """Run the programs under Ray and write each answer beside its program.

    Some kill Ray; those that have not been reached then run in another process.
    """
    if not RAY_PYTHON:
        sys.exit("PYRAY_RAY_PYTHON must name the Python of an environment with Ray")
    remaining = chosen(sys.argv[1:])
    while remaining:
        outputs = run("ray", remaining, timeout_s=1800)
        for program, output in outputs.items():
            if "uncaught " in output or output.startswith("died: "):
                print(f"{program}: {output[-2000:]}")
            if not output.startswith("died: "):
                PROGRAMS[program].with_suffix(".txt").write_text(output)
        remaining = [program for program in remaining if program not in outputs]
        print(f"{len(outputs)} recorded, {len(remaining)} to go")
        if not outputs:
            sys.exit("Ray does not start")


if __name__ == "__main__":
    main()
