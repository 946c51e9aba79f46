"""Progress bars of tasks and actors: `tqdm_ray.tqdm`, with Ray's names.

In a worker a bar is a line of its output, marked like any other, written at most once a second and
when the bar ends: lines of several workers never mix. In the driver it is a bar of `tqdm`, if that
is installed; `safe_print` prints beside it.
"""

from __future__ import annotations

import builtins
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, cast

from pyray import runtime

WIDTH = 20


def _line(desc: str, done: float, total: float | None, unit: str, since_s: float) -> str:
    """Return a bar as text.

    Example:
        >>> _line("load", 5, 10, "it", 2.0)
        'load:  50%|##########          | 5/10 [00:02, 2.50it/s]'
    """
    rate = f"{done / since_s:.2f}{unit}/s" if since_s > 0 else f"?{unit}/s"
    spent = f"{int(since_s) // 60:02d}:{int(since_s) % 60:02d}"
    name = f"{desc}: " if desc else ""
    if not total:
        return f"{name}{done:g}{unit} [{spent}, {rate}]"
    share = min(done / total, 1.0)
    bar = ("#" * int(share * WIDTH)).ljust(WIDTH)
    return f"{name}{share:4.0%}|{bar}| {done:g}/{total:g} [{spent}, {rate}]"


class tqdm:  # noqa: N801  (Ray's name)
    """A progress bar that can be used in tasks and actors.

    Args:
        iterable: What to go through.
        desc: What stands before the bar.
        total: How many steps there are; default: the length of `iterable`.
        unit: What a step is called.
        position: Line of the bar among those of this process.
        flush_interval_s: How often it is shown at most.

    Example:
        >>> from pyray.experimental import tqdm_ray
        >>> bar = tqdm_ray.tqdm(desc="load", total=2, flush_interval_s=1000)
        >>> bar.update()
        >>> bar.n
        1
    """

    def __init__(  # noqa: PLR0913, PLR0917  (Ray's parameters)
        self,
        iterable: Iterable[Any] | None = None,
        desc: str | None = None,
        total: float | None = None,
        unit: str | None = None,
        position: int | None = None,
        flush_interval_s: float | None = None,
    ) -> None:
        if total is None and hasattr(iterable, "__len__"):
            total = len(cast("Sized", iterable))
        self.total = total
        self.n: float = 0
        self._iterable = iterable
        self._desc = desc or ""
        self._unit = unit or "it"
        self._position = position or 0
        self._interval_s = 1.0 if flush_interval_s is None else flush_interval_s
        self._start_s = time.monotonic()
        self._shown_s = float("-inf") if flush_interval_s is None else self._start_s
        self._closed = False

    def set_description(self, desc: str) -> None:
        """Change what stands before the bar."""
        self._desc = desc
        self._show()

    def update(self, n: float = 1) -> None:
        """Go on by `n` steps."""
        self.n += n
        self._show()

    def refresh(self) -> None:
        """Show the bar, if it was not shown just now."""
        self._show()

    def close(self) -> None:
        """Show how far it came, and no more after that."""
        if not self._closed:
            self._closed = True
            self._show(at_end=True)

    def __iter__(self) -> Iterator[Any]:
        """Go through the iterable, one step for each item.

        Raises:
            ValueError: If there is none.
        """
        if self._iterable is None:
            raise ValueError("No iterable provided")
        for item in self._iterable:
            yield item
            self.update(1)
        self.close()

    def _show(self, *, at_end: bool = False) -> None:
        now_s = time.monotonic()
        if not at_end and now_s - self._shown_s < self._interval_s:
            return
        self._shown_s = now_s
        if not runtime.is_worker():
            instance().process_state_update(self._state())
            return
        text = _line(self._desc, self.n, self.total, self._unit, now_s - self._start_s)
        sys.stderr.write(f"{text}\n")

    def _state(self) -> dict[str, Any]:
        return {
            "uuid": id(self),
            "x": self.n,
            "pos": self._position,
            "desc": self._desc,
            "total": self.total,
            "unit": self._unit,
            "closed": self._closed,
        }


class BarManager:
    """The bars of this process, drawn by `tqdm`."""

    def __init__(self) -> None:
        self._bars: dict[int, Any] = {}
        self._lock = threading.RLock()

    def process_state_update(self, state: dict[str, Any]) -> None:
        """Draw a bar as its state says."""
        try:
            import tqdm.auto as real
        except ImportError:  # as in Ray: no bars then
            return
        with self._lock:
            bar = self._bars.get(state["uuid"])
            if bar is None:
                names = ("desc", "total", "unit")
                bar = real.tqdm(
                    **{name: state[name] for name in names},
                    position=len(self._bars) + state["pos"],
                    dynamic_ncols=True,
                    unit_scale=True,
                )
                self._bars[state["uuid"]] = bar
            bar.desc, bar.total = f"{state['desc']}: " if state["desc"] else "", state["total"]
            bar.update(state["x"] - bar.n)
            bar.refresh()
            if state["closed"]:
                self._bars.pop(state["uuid"]).close()

    def hide_bars(self) -> None:
        """Take the bars off the screen."""
        with self._lock:
            for bar in self._bars.values():
                bar.clear()

    def unhide_bars(self) -> None:
        """Draw them again."""
        with self._lock:
            for bar in self._bars.values():
                bar.refresh()


_manager = BarManager()


def instance() -> BarManager:
    """Return the bars of this process."""
    return _manager


def safe_print(*args: Any, **kwargs: Any) -> None:
    """Print without damage to the bars of this process."""
    if kwargs.get("file") not in {sys.stdout, sys.stderr, None}:
        builtins.print(*args, **kwargs)  # noqa: T201  (its purpose)
        return
    _manager.hide_bars()
    try:
        builtins.print(*args, **kwargs)  # noqa: T201
    finally:
        _manager.unhide_bars()
