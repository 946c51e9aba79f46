"""A plot of results: a line per workload, a dot per system, time on a logarithmic axis."""

from pathlib import Path

import report
import results
from results import Results
from systems import SYSTEMS
from workloads import METRICS
from workloads.metric import SCALE

COLOURS = {
    "pyray": "#d62728",
    "ray": "#1f77b4",
    "ppe": "#2ca02c",
    "pool": "#9467bd",
    "joblib": "#ff7f0e",
    "gloo": "#8c564b",
    "serial": "#7f7f7f",
    "limit": "#000000",
}


def save(data: Results, path: Path) -> bool:
    """Draw into a PNG file; return False where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return False
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    found = results.values(data)
    metrics = [
        m for m in METRICS.values() if m.unit in SCALE and any(m.name in v for v in found.values())
    ]
    figure, axes = plt.subplots(figsize=(10, 1.5 + 0.32 * len(metrics)))
    for name in report.system_order(found):
        points = [
            (results.median(found[name].get(m.name)), m.unit, i) for i, m in enumerate(metrics)
        ]
        xs = [value / SCALE[unit] * 1e6 for value, unit, _ in points if value]
        ys = [row for value, _, row in points if value]
        marker = "|" if name == "limit" else "o"
        axes.scatter(
            xs, ys, label=SYSTEMS[name].title, color=COLOURS[name], marker=marker, s=60, alpha=0.85
        )
    axes.set_xscale("log")
    axes.set_xlabel("microseconds per operation (lower is better)")
    axes.set_yticks(range(len(metrics)), [m.title.replace("`", "") for m in metrics])
    axes.invert_yaxis()
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.05), ncols=4, frameon=False)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)
    return True
