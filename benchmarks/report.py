"""Tables from results: for the terminal, for README.md, and against an earlier run."""

from collections.abc import Sequence
from pathlib import Path

import results
from results import ByRound, Results, Values
from systems import SYSTEMS
from workloads import METRICS
from workloads.metric import Metric

MARKDOWN = "markdown"
NOISY_CORES = 0.5
REFERENCES = ("serial", "limit")
"""Not systems: alone they make no row."""
Row = list[str]


def number(value: float | None) -> str:
    """Three significant digits, no exponents."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1g}"


def factor(value: float | None) -> str:
    """A ratio, as `12x`."""
    return "" if value is None else f"{number(value)}x"


def title(metric: Metric) -> str:
    """The row's head, with its unit."""
    return f"{metric.title} ({metric.unit})" if metric.unit != "n" else metric.title


def system_order(found: Values) -> list[str]:
    """Systems that have any result, in the order of the registry."""
    return [name for name in SYSTEMS if name in found]


def comparison_rows(found: Values) -> list[Row]:
    """One row per metric: each system's median, then the ratios that matter."""
    names = system_order(found)
    has_pyray = "pyray" in found
    ratios = (
        ["Ray / pyray", "best peer / pyray", "pyray / limit", "goal"]
        if has_pyray
        else ["best peer", "goal"]
    )
    rows = [["workload", *(SYSTEMS[name].title for name in names), *ratios]]
    for metric in METRICS.values():
        if not any(metric.name in found[name] for name in names if name not in REFERENCES):
            continue
        cells = [number(results.median(found[name].get(metric.name))) for name in names]
        ends = pyray_ratios(found, metric) if has_pyray else [best_name(found, metric)]
        rows.append(
            [title(metric), *cells, *ends, number(metric.goal) if metric.goal is not None else ""]
        )
    return rows


def pyray_ratios(found: Values, metric: Metric) -> Row:
    """Ray over pyray, the best peer over pyray, pyray over the limit."""
    ours = found["pyray"].get(metric.name)
    best = results.best_peer(found, metric.name)
    theirs = found[best].get(metric.name) if best else None
    against_best = factor(results.ratio(theirs, ours))
    return [
        factor(results.ratio(found.get("ray", {}).get(metric.name), ours)),
        f"{against_best} ({SYSTEMS[best].title})" if best and against_best else "",
        factor(results.ratio(ours, found.get("limit", {}).get(metric.name))),
    ]


def best_name(found: Values, metric: Metric) -> str:
    """The best peer's title."""
    best = results.best_peer(found, metric.name)
    return SYSTEMS[best].title if best else ""


def baseline_rows(now: Values, before: Values) -> list[Row]:
    """Now over before, per metric and system; the others tell how much the machine changed."""
    names = [name for name in system_order(now) if name in before]
    rows = [["workload: now / before", *(SYSTEMS[name].title for name in names)]]
    for metric in METRICS.values():
        cells = [
            factor(quotient(now[name].get(metric.name), before[name].get(metric.name)))
            for name in names
        ]
        if any(cells):
            rows.append([title(metric), *cells])
    return rows


def quotient(over: ByRound | None, under: ByRound | None) -> float | None:
    """Ratio of two medians (of different runs, whose rounds have nothing to do with each other)."""
    top, bottom = results.median(over), results.median(under)
    return top / bottom if top is not None and bottom else None


def render(rows: Sequence[Row], style: str) -> str:
    """Lay out a table, as plain text or as Markdown."""
    if style == MARKDOWN:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        lines.insert(1, "| --- |" + " ---: |" * (len(rows[0]) - 1))
        return "\n".join(lines)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[0] = -widths[0]  # the first column to the left, the others to the right
    lines = ["  ".join(align(*pair) for pair in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(line.rstrip() for line in lines)


def align(cell: str, width: int) -> str:
    """Pad to the right for a negative width, else to the left."""
    return cell.ljust(-width) if width < 0 else cell.rjust(width)


def heading(data: Results) -> str:
    """Where and when the figures were taken."""
    machine, count = data["machine"], data["rounds"]
    where = "{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}".format_map(machine)
    rounds = f"{count} round{'s' * (count > 1)}{', quick' * data['quick']}"
    when = f"commit {data['commit']}, {data['date']}"
    return f"{where}; {when}; medians of {rounds}; lower is better."


def failure_lines(data: Results) -> list[str]:
    """What did not work: each reason once, with its workloads, in however many rounds."""
    workloads: dict[tuple[str, str, str], dict[str, None]] = {}
    for failure in data["failures"]:
        key = (failure["kind"], failure["system"], failure["reason"])
        workloads.setdefault(key, {})[failure["workload"]] = None
    return [
        f"{kind}: {SYSTEMS[system].title}: {', '.join(names)}: {reason}"
        for (kind, system, reason), names in sorted(workloads.items())
    ]


def noise_lines(data: Results) -> list[str]:
    """How much of it shared the machine with somebody else."""
    others = [turn["others_cpu"] for turn in data["noise"]]
    noisy = sum(cores > NOISY_CORES for cores in others)
    if not noisy:
        return []
    turns = f"{noisy} of {len(others)} turns (at most {max(others):.1f})"
    return [f"Other processes used more than {NOISY_CORES} cores in {turns}: see `noise` there."]


def text(data: Results, style: str, baseline: Path | None = None) -> str:
    """The whole report."""
    found = results.values(data)
    parts = [heading(data), render(comparison_rows(found), style)]
    if style != MARKDOWN:
        parts += [line for line in ["\n".join(failure_lines(data)), *noise_lines(data)] if line]
        parts.append("\n".join(f"{name}: {text}" for name, text in data["versions"].items()))
    if baseline:
        earlier = results.load(baseline)
        rows = baseline_rows(found, results.values(earlier))
        parts += [f"Against {baseline.name} (commit {earlier['commit']}):", render(rows, style)]
    return "\n\n".join(parts)
