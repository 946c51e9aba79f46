"""The metrics of a session in Prometheus' text form, and the port that shows them.

The port is closed unless somebody asks for it, and open on this machine only. Prometheus' client
library writes the form; it is imported when the port is opened.
"""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyray import machine, runtime
from pyray.metrics import files
from pyray.observability import records
from pyray.observability.records import Session
from pyray.observability.rows import PLACEMENT_STATES
from pyray.observability.tasks import ACTOR_STATES, TASK_STATES

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from pyray.engine import Engine
    from pyray.metrics.cells import Key

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost", "[::1]")
PREFIX = "ray_"
MISSING = "the metrics port needs prometheus_client: pip install 'pyray[default]'"


class SessionCollector:
    """All metrics of a session: its own, and those of its programs.

    Args:
        engine: The session's engine in this process.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its values at this moment."""
        yield from self._own()
        yield from families(files.totals(self.engine.session_folder()))

    def _own(self) -> Iterator[Metric]:
        """Ray's names, where they mean the same here."""
        tasks, store = self.engine.engine_stats(), self.engine.store_stats()
        running = tasks["workers"] - tasks["idle"]
        session = Session()
        for name, words, counts in (
            ("tasks", "Tasks by state: now, and how many have ended so far.", task_states(session)),
            ("actors", "Actors by state: now, and how many have died.", actor_states(session)),
            ("placement_groups", "Placement groups by state.", group_states(session)),
        ):
            values: dict[tuple[str, ...], float]
            values = {(state,): count for state, count in counts.items()}
            yield _gauge(name, words, ("State",), values)
        yield _gauge(
            "workers",
            "Worker processes by state.",
            ("State",),
            {("IDLE",): tasks["idle"], ("BUSY",): running, ("STARTING",): tasks["starting"]},
        )
        yield _counter("worker_deaths", "Workers that have died.", tasks["deaths"])
        yield _counter("task_retries", "Tasks that were run again.", tasks["retried"])
        yield _gauge(
            "object_store_memory",
            "Bytes of objects, by where they are.",
            ("Location",),
            {("MMAP_SHM",): store["used_bytes"], ("SPILLED",): store["spilled_bytes"]},
        )
        for name, words, value in (
            ("object_store_available_memory", "Bytes of the store that are free.", free(store)),
            ("object_store_used_memory", "Bytes of the store in use.", store["used_bytes"]),
            ("object_store_num_local_objects", "Objects in the store.", store["objects"]),
            ("node_mem_used", "Bytes of memory in use.", used_memory()),
            ("node_mem_available", "Bytes of memory that are free.", machine.memory_available()),
            ("node_mem_total", "Bytes of memory.", machine.memory_total()),
            ("node_cpu_count", "CPUs of this machine that may be used.", machine.cpu_count()),
        ):
            yield _gauge(name, words, (), {(): value})
        yield from _disk(self.engine.session_folder())
        yield self._resources()

    def _resources(self) -> Metric:
        values: dict[tuple[str, ...], float] = {}
        for name, (total, available) in self.engine.resources().items():
            values[name, "USED"] = total - available
            values[name, "AVAILABLE"] = available
        return _gauge("resources", "Resources by name and state.", ("Name", "State"), values)


def task_states(session: Session) -> dict[str, int]:
    """Return how many tasks are in each state, and how many have ended."""
    counts = session.reader.counts()
    found = dict.fromkeys(TASK_STATES.values(), 0)
    for (_label, state), count in session.reader.tally().items():
        if (name := TASK_STATES.get(records.TASK_STATES[state])) is not None:
            found[name] += count
    return found | {"FINISHED": counts["finished"], "FAILED": counts["failed"]}


def actor_states(session: Session) -> dict[str, int]:
    """Return how many actors are in each state, and how many have died."""
    found = dict.fromkeys(("PENDING_CREATION", "ALIVE", "RESTARTING"), 0)
    for actor in session.actors():
        state = records.ACTOR_STATES[actor.state]
        if state != "DEAD":
            found[ACTOR_STATES.get(state, state)] += 1
    return found | {"DEAD": session.reader.counts()["dead_actors"]}


def group_states(session: Session) -> dict[str, int]:
    """Return how many placement groups are in each state."""
    found = dict.fromkeys(("PENDING", "CREATED"), 0)
    for group in session.placements():
        if (state := PLACEMENT_STATES[group.state]) in found:
            found[state] += 1
    return found


def _disk(folder: str) -> Iterator[Metric]:
    """Yield what is known of the disk that has the session's files; nothing if there are none."""
    try:
        size = shutil.disk_usage(folder)
    except OSError:  # "": no disk was found for them; else the folder is gone
        return
    percent = 100 * size.used / (size.used + size.free) if size.total else 0.0
    for name, words, value in (
        ("node_disk_usage", "Bytes of the disk in use that has the session's files.", size.used),
        ("node_disk_free", "Bytes of it that are free.", size.free),
        ("node_disk_utilization_percentage", "How much of it is in use.", percent),
    ):
        yield _gauge(name, words, (), {(): value})


def free(store: dict[str, int]) -> int:
    """Return how many bytes of the store are free."""
    return store["capacity_bytes"] - store["used_bytes"]


def used_memory() -> int:
    """Return how many bytes of memory are in use, of what this process may use."""
    return max(0, machine.memory_total() - machine.memory_available())


def _gauge(
    name: str, words: str, labels: tuple[str, ...], values: dict[tuple[str, ...], float]
) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, words, labels=labels)
    for tags, value in values.items():
        family.add_metric(tags, value)
    return family


def _counter(name: str, words: str, value: float) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(PREFIX + name, words, labels=())
    family.add_metric((), value)
    return family


def families(counts: files.Counts) -> Iterator[Metric]:
    """Yield the metrics of programs."""
    by_name: dict[tuple[str, str], list[tuple[Key, list[float]]]] = {}
    for key, numbers in counts.items():
        by_name.setdefault((key.name, key.kind), []).append((key, numbers))
    seen: set[str] = set()
    for (name, kind), series in sorted(by_name.items(), key=lambda pair: pair[0]):
        if name not in seen:  # of two kinds of one name the first one is shown
            seen.add(name)
            yield _family(PREFIX + name, kind, series)


def _family(name: str, kind: str, series: list[tuple[Key, list[float]]]) -> Metric:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    words = series[0][0].description
    labels = sorted({tag for key, _ in series for tag, _ in key.tags})
    family: Any
    if kind == "counter":
        family = CounterMetricFamily(name, words, labels=labels)
    elif kind == "gauge":
        family = GaugeMetricFamily(name, words, labels=labels)
    else:
        family = HistogramMetricFamily(name, words, labels=labels)
    for key, numbers in series:
        tags = dict(key.tags)
        values = [tags.get(label, "") for label in labels]
        if kind == "histogram":
            family.add_metric(values, buckets(key.boundaries, numbers), numbers[-1])
        else:
            family.add_metric(values, numbers[0])
    return family  # type: ignore[no-any-return]


def buckets(boundaries: tuple[float, ...], numbers: list[float]) -> list[tuple[str, float]]:
    """Return upper ends and how many values are below each, as Prometheus wants them."""
    result, below = [], 0.0
    for end, count in zip((*boundaries, float("inf")), numbers[:-1], strict=True):
        below += count
        result.append(("+Inf" if end == float("inf") else repr(end), below))
    return result


def text(engine: Engine) -> bytes:
    """Return all metrics of a session in Prometheus' text form."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(SessionCollector(engine))
    return generate_latest(registry)


class MetricsPort:
    """Shows a session's metrics at ``http://127.0.0.1:PORT/metrics``.

    Args:
        engine: The session's engine in this process.
        port: The port; 0: any.

    Raises:
        ImportError: If Prometheus' client library is missing.
        OSError: If the port is taken.
    """

    def __init__(self, engine: Engine, port: int) -> None:
        try:
            import prometheus_client as _  # noqa: F401
        except ModuleNotFoundError:
            raise ImportError(MISSING) from None

        class Handler(_Handler):
            shown = engine

        self._server = http.server.ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._pid = os.getpid()
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="pyray-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Close the port."""
        if self._pid == os.getpid():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


@dataclass(slots=True)
class _Open:
    port: MetricsPort | None = None


_open = _Open()


def open_port(port: int) -> None:
    """Show the metrics of this process's session.

    Raises:
        ImportError: If Prometheus' client library is missing.
        OSError: If the port is taken.
    """
    _open.port = MetricsPort(runtime.engine(), port)


def close_port() -> None:
    """Close the port, if it is open."""
    if _open.port is not None:
        _open.port.close()
        _open.port = None


def port() -> int | None:
    """Return the port at which this process shows metrics, None if it does not."""
    return _open.port.port if _open.port is not None else None


class _Handler(http.server.BaseHTTPRequestHandler):
    shown: Engine
    timeout = 10

    def do_GET(self) -> None:
        """Answer with the metrics."""
        host = self.headers.get("Host", "")
        if host.removesuffix(f":{self.server.server_port}") not in NAMES:  # type: ignore[attr-defined]
            self.send_error(403, "the Host header does not name this machine")
        elif self.path not in {"/metrics", "/"}:
            self.send_error(404)
        else:
            self._answer(text(self.shown))

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
