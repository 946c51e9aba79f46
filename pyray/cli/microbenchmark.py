"""`pyray microbenchmark`: how fast this machine runs what people know from `ray microbenchmark`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import click

SLICE_S = 0.5
ROUNDS = 3

Benchmark = tuple[str, Callable[[], Any], int]


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 60),
    default=SLICE_S,
    show_default=True,
    help="How long each round of a benchmark takes.",
)
def microbenchmark(seconds: float) -> None:
    """Measure puts, gets, tasks and actor calls, in a session of its own."""
    import pyray as ray

    with ray.init(configure_logging=False):
        for name, function, count in _benchmarks(ray):
            rates = [_rate(function, count, seconds) for _ in range(ROUNDS)]
            middle = sorted(rates)[ROUNDS // 2]
            click.echo(f"{name:<48} {middle:>13,.0f} /s +- {max(rates) - min(rates):,.0f}")


def _rate(function: Callable[[], Any], count: int, seconds: float) -> float:
    function()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        function()
        calls += 1
    return calls * count / (time.perf_counter() - began)


def _benchmarks(ray: Any) -> Iterator[Benchmark]:
    """Yield (name, function, how much one call counts)."""
    import numpy as np

    class Echo:
        def small(self) -> bytes:
            return b"ok"

    def ok() -> bytes:
        return b"ok"

    small, actor_class = ray.remote(ok), ray.remote(Echo)
    value = ray.put(0)
    array = np.zeros(10 << 20, np.uint8)
    actor = actor_class.remote()
    actors = [actor_class.remote() for _ in range(2)]
    ray.get([one.small.remote() for one in [actor, *actors]])
    yield "single client get calls", lambda: ray.get(value), 1
    yield "single client put calls", lambda: ray.put(0), 1
    yield "single client put (10 MiB each, per MiB)", lambda: ray.put(array), 10
    yield "single client tasks sync", lambda: ray.get(small.remote()), 1
    yield (
        "single client tasks async",
        lambda: ray.get([small.remote() for _ in range(1000)]),
        1000,
    )
    yield (
        "single client wait 1k refs",
        lambda: ray.wait([small.remote() for _ in range(1000)], num_returns=1000),
        1,
    )
    yield "1:1 actor calls sync", lambda: ray.get(actor.small.remote()), 1
    yield (
        "1:1 actor calls async",
        lambda: ray.get([actor.small.remote() for _ in range(1000)]),
        1000,
    )
    yield (
        "1:n actor calls async",
        lambda: ray.get([one.small.remote() for _ in range(500) for one in actors]),
        1000,
    )
