"""Compare pyray with Ray, the pools of the standard library, joblib and the limits of the machine.

All systems run the same workloads in one run, interleaved: in each round every system gets a fresh
interpreter in a process of its own, in an order that turns from round to round. README.md beside
this file says what is measured and how; `results/` keeps what was measured.

    python benchmarks/compare.py --quick                         a first look, without Ray
    python benchmarks/compare.py --make-ray-venv build/ray       with Ray, installed there
    python benchmarks/compare.py --show FILE.json --markdown     the table of an earlier run
    python benchmarks/compare.py --show A.json B.json --out C.json    of several runs, as one
    python benchmarks/compare.py --baseline FILE.json            and the ratio to an earlier run
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import plot
import report
import results
from rounds import Rounds, Setup
from systems import SYSTEMS
from systems.limit import Limit, compile_limits
from workloads import GROUPS, WORKLOADS

RAY_REQUIREMENTS = ("ray==2.60.0", "numpy")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--systems",
        metavar="NAMES",
        help=f"comma-separated, of {','.join(SYSTEMS)} (default: all there are)",
    )
    add(
        "--workloads",
        metavar="NAMES",
        help="comma-separated workloads or groups (--list shows them)",
    )
    add("--rounds", type=int, metavar="N", help="rounds (default 5; quick: 1)")
    add("--quick", action="store_true", help="fewer repetitions, one round, no long queues")
    add("--timeout", type=float, metavar="S", help="seconds for a workload, not its own limit")
    add(
        "--python",
        default=sys.executable,
        metavar="PATH",
        help="interpreter of all systems but Ray",
    )
    add("--torch-python", metavar="PATH", help="interpreter that has torch, for gloo")
    add("--ray-python", metavar="PATH", help="interpreter that has Ray")
    add(
        "--make-ray-venv",
        type=Path,
        metavar="FOLDER",
        help="make a venv with Ray there, unless it exists",
    )
    add("--out", type=Path, metavar="FILE", help="results file (default: results/DATE_COMMIT.json)")
    add("--baseline", type=Path, metavar="FILE", help="results of an earlier run to divide by")
    add(
        "--show",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="measure nothing: show these results (of different workloads, if several)",
    )
    add("--markdown", action="store_true", help="print the table as Markdown")
    add(
        "--plot",
        type=Path,
        metavar="FILE",
        help="where the plot goes (default: beside the results)",
    )
    add("--list", action="store_true", help="list the workloads and what they measure")
    return parser.parse_args()


def print_list() -> None:
    """Show groups, workloads and metrics."""
    for group, workloads in GROUPS.items():
        print(group)
        for workload in workloads:
            print(f"  {workload.name:16} {' '.join((workload.run.__doc__ or '').split())}")
            for metric in workload.metrics:
                print(f"  {'':16}   {metric.name}: {report.title(metric)}")


def choose(names: str | None, known: list[str], what: str) -> list[str]:
    """Read a comma-separated choice; refuse unknown names."""
    chosen = names.split(",") if names else known
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"compare.py: no {what} named {', '.join(unknown)}; there are {', '.join(known)}")
    return chosen


def choose_workloads(names: str | None) -> list[str]:
    """As `choose`; the name of a group stands for all its workloads."""
    chosen = choose(names, [*GROUPS, *WORKLOADS] if names else list(WORKLOADS), "workload or group")
    picked = {workload.name for name in chosen for workload in GROUPS.get(name, ())}
    return [name for name in WORKLOADS if name in picked or name in chosen]


def make_ray_venv(folder: Path) -> str:
    """Make a virtual environment with Ray, unless it is there; return its interpreter."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    if subprocess.run(
        [str(python), "-c", "import ray"], capture_output=True, check=False
    ).returncode:
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *RAY_REQUIREMENTS], check=True
        )
    return str(python)


def choose_systems(options: argparse.Namespace) -> dict[str, str]:
    """Name the interpreter of each system that is asked for, or of all that are to be had."""
    ray_python = (
        make_ray_venv(options.make_ray_venv) if options.make_ray_venv else options.ray_python
    )
    others = {"ray": ray_python, "gloo": options.torch_python}
    pythons = dict.fromkeys(SYSTEMS, options.python) | others
    if options.systems:
        chosen = choose(options.systems, list(SYSTEMS), "system")
        if "ray" in chosen and not ray_python:
            sys.exit("compare.py: for Ray give --ray-python or --make-ray-venv")
        if "gloo" in chosen and not options.torch_python:
            sys.exit("compare.py: for gloo give --torch-python")
        return {name: pythons[name] for name in chosen}
    if not ray_python:
        print("without Ray (give --ray-python or --make-ray-venv)", file=sys.stderr)
        del pythons["ray"]
    if not options.torch_python:
        del pythons["gloo"]
    if options.python == sys.executable:
        if importlib.util.find_spec("pyray") is None:
            sys.exit("compare.py: no pyray here: run with the interpreter of `make build`'s venv")
        if importlib.util.find_spec("joblib") is None:
            print("without joblib: not installed", file=sys.stderr)
            del pythons["joblib"]
    return pythons


def measure(options: argparse.Namespace) -> Path:
    """Run all rounds and keep the results; return their file."""
    pythons = choose_systems(options)
    with tempfile.TemporaryDirectory() as folder:
        limits = str(compile_limits(Path(folder))) if "limit" in pythons else ""
        rounds = options.rounds or (1 if options.quick else 5)
        workloads = choose_workloads(options.workloads)
        setup = Setup(
            list(pythons), workloads, rounds, options.quick, pythons, limits, options.timeout
        )
        findings = Rounds(setup).run()
    derivations = {metric: what for metric, (what, _) in Limit().derivations().items()}
    return results.save(results.collect(setup, findings, derivations), options.out)


def load(paths: list[Path]) -> results.Results:
    """Read results of one run, or of several that measured different workloads."""
    try:
        return results.merge([results.load(path) for path in paths])
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        sys.exit(f"compare.py: {error}")


def main() -> None:
    """Measure or load, then report."""
    options = parse_arguments()
    if options.list:
        print_list()
        return
    paths = options.show or [measure(options)]
    data = load(paths)
    print(report.text(data, report.MARKDOWN if options.markdown else "", options.baseline))
    path = options.out if options.show else paths[0]
    if path is not None:
        print(f"\nresults: {results.save(data, path)}", file=sys.stderr)
    picture = options.plot or (path.with_suffix(".png") if path is not None else None)
    if picture and plot.save(data, picture):
        print(f"plot: {picture}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, json.JSONDecodeError, FileNotFoundError) as error:
        sys.exit(f"compare.py: {type(error).__name__} {error}")
