"""Kills of one actor again and again: lives, order and exceptions must be exactly what is promised.

Every constructor and every call that begins leaves a line in a file, so that what ran, where and in
which order is known whatever was killed.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import random
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyray import testing
from pyray.exceptions import ActorDiedError, ActorUnavailableError
from tests.support import wait_until


@dataclasses.dataclass
class Plan:
    """One run.

    Args:
        restarts: `max_restarts`.
        retries: `max_task_retries`.
        kills: How often the actor is killed; each time in another life.
        calls: How many calls are made, one after the other, without waiting.
    """

    restarts: int
    retries: int
    kills: int
    calls: int

    @classmethod
    def random(cls, rng: random.Random) -> Plan:
        """Return any plan."""
        restarts, kills = rng.choice([0, 1, 3, -1]), rng.randrange(4)
        return cls(restarts, rng.choice([0, 1, -1]), kills, rng.randrange(5, 60))

    @property
    def deaths(self) -> int:
        """How many kills can reach a life."""
        return self.kills if self.restarts == -1 else min(self.kills, self.restarts + 1)

    @property
    def ends_dead(self) -> bool:
        """Whether the last kill was one too many."""
        return self.restarts != -1 and self.kills > self.restarts


class Logbook:
    """An actor that notes its lives and its calls."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.note("life")

    def note(self, what: str) -> None:
        """Append a line in one piece."""
        with open(self.path, "ab", buffering=0) as file:
            file.write(f"{os.getpid()} {what}\n".encode())

    def call(self, number: int, pause_s: float) -> int:
        """Note that the call began."""
        self.note(str(number))
        if pause_s:
            time.sleep(pause_s)
        return number


def lives(path: Path) -> list[tuple[int, list[int]]]:
    """Return (process id, calls that began, in order) of each life."""
    found: list[tuple[int, list[int]]] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        pid, what = line.split()
        if what == "life":
            found.append((int(pid), []))
        else:
            assert found[-1][0] == int(pid)
            found[-1][1].append(int(what))
    return found


def kill_each_life(plan: Plan, path: Path, rng: random.Random) -> None:
    """Kill the actor so often as the plan says, each time another life of it."""
    for life in range(plan.deaths):
        wait_until(lambda life=life: len(lives(path)) > life, 20, f"life {life}")  # type: ignore[misc]
        time.sleep(rng.choice([0, 0.001, 0.004]))
        testing.kill_worker(lives(path)[life][0])


def outcome(ray: ModuleType, ref: Any) -> Any:
    """Return the value, or the class of the error."""
    try:
        return ray.get(ref, timeout=60)
    except (ActorDiedError, ActorUnavailableError) as error:
        return type(error)


def check_order(plan: Plan, found: list[tuple[int, list[int]]]) -> None:
    """Calls begin in order; one is repeated in the next life only, and no more than it may be."""
    began = [number for _, calls in found for number in calls]
    assert began == sorted(began)
    for _, calls in found:
        assert len(set(calls)) == len(calls)
    if plan.retries >= 0:
        assert all(began.count(number) <= plan.retries + 1 for number in began)


def check_outcomes(plan: Plan, began: list[int], got: list[Any]) -> None:
    """Who gets a value was run; who gets an error could not be repeated."""
    for number, result in enumerate(got):
        if result == number:
            assert number in began
        elif result is ActorUnavailableError:
            assert plan.deaths > 0
            assert plan.retries >= 0
        else:
            assert result is ActorDiedError
            assert plan.ends_dead
    if plan.kills == 0 or (plan.restarts == -1 and plan.retries == -1):
        assert got == list(range(plan.calls))
    if plan.retries == -1:
        assert ActorUnavailableError not in got
    firsts = [result for result in got if result is ActorDiedError]
    assert got[len(got) - len(firsts) :] == firsts  # after the end there are no values


def run(ray: ModuleType, plan: Plan, folder: Path, rng: random.Random) -> None:
    """Make calls while the actor is killed; check what happened."""
    path = folder / f"log{rng.random()}"
    actor = (
        ray.remote(Logbook)
        .options(max_restarts=plan.restarts, max_task_retries=plan.retries)
        .remote(str(path))
    )
    killer = threading.Thread(target=kill_each_life, args=(plan, path, random.Random(rng.random())))
    killer.start()
    refs = []
    for number in range(plan.calls):
        refs.append(actor.call.remote(number, rng.choice([0, 0, 0.001])))
        if rng.random() < 0.1:
            time.sleep(0.002)
    killer.join()
    got = [outcome(ray, ref) for ref in refs]
    expected = plan.deaths + (not plan.ends_dead)
    wait_until(lambda: len(lives(path)) >= expected, 20, f"{expected} lives")
    found = lives(path)
    assert len(found) == expected
    check_order(plan, found)
    check_outcomes(plan, [number for _, calls in found for number in calls], got)
    last = outcome(ray, actor.call.remote(plan.calls, 0))
    assert last == (ActorDiedError if plan.ends_dead else plan.calls)


def storm(ray: ModuleType, rng: random.Random, folder: Path, runs: int) -> None:
    """Run random plans; nothing is left after them."""
    for _ in range(runs):
        plan = Plan.random(rng)
        try:
            run(ray, plan, folder, rng)
        except BaseException as error:
            error.add_note(str(plan))
            raise
    gc.collect()
    wait_until(lambda: testing.store_accounts()["actors"] == 0, 20, "the end of the actors")


@pytest.mark.timeout(120)
def test_an_actor_that_is_killed_again_and_again(
    ray_alone: ModuleType, rng: random.Random, tmp_path: Path
) -> None:
    storm(ray_alone, rng, tmp_path, 10)


@pytest.mark.slow  # half a minute of deaths
@pytest.mark.timeout(600)
def test_two_hundred_times_an_actor_that_is_killed(
    ray_alone: ModuleType, rng: random.Random, tmp_path: Path
) -> None:
    storm(ray_alone, rng, tmp_path, 200)
