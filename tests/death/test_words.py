"""What errors tell about a death: the last lines on stderr, the stack of a crash."""

from __future__ import annotations

import os
import signal
import sys
from types import ModuleType

import pytest

from pyray import exceptions
from tests.death import ways
from tests.death.ways import DEADLINE_S


def prints_and_dies(how: str) -> None:
    ways._no_core_file()
    sys.stdout.write("on stdout\n")
    for n in range(30):
        sys.stderr.write(f"line {n}" + "\n")
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))


def words(ray: ModuleType, ref: object) -> list[str]:
    with pytest.raises(exceptions.RayError) as caught:
        ray.get(ref, timeout=DEADLINE_S)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("how", ["exit", "SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT", "SIGFPE"])
def test_task_tells_its_last_lines_and_stack(ray: ModuleType, how: str) -> None:
    lines = words(ray, ray.remote(max_retries=0)(prints_and_dies).remote(how))
    start = lines.index("  last lines on stderr:")
    assert lines[start + 1 : start + 11] == [f"    line {n}" for n in range(20, 30)]
    assert not any("on stdout" in line for line in lines)
    crash = how in {"SIGSEGV", "SIGABRT", "SIGFPE"}
    assert any("Python stack at its death" in line for line in lines) == crash
    assert any("in prints_and_dies" in line for line in lines) == crash
    assert len(lines) < 25


def test_lines_of_an_earlier_task_are_not_told(ray: ModuleType) -> None:
    @ray.remote(max_retries=0)
    def speaks() -> int:
        sys.stderr.write("of somebody else" + "\n")
        return os.getpid()

    @ray.remote(max_retries=0)
    def dies() -> None:
        os._exit(1)

    pid = ray.get(speaks.remote())
    lines = words(ray, dies.remote())
    assert any(f"pid {pid}," in line for line in lines)  # the same worker
    assert not any("stderr" in line or "somebody" in line for line in lines)


def test_actor_tells_every_caller(ray: ModuleType) -> None:
    class Speaker:
        def speak(self) -> None:
            sys.stderr.write("before the end" + "\n")

        def end(self) -> None:
            ways._no_core_file()
            os.abort()

    actor = ray.remote(Speaker).remote()
    ray.get(actor.speak.remote())
    for ref in (actor.end.remote(), actor.speak.remote(), actor.speak.remote()):
        lines = words(ray, ref)
        assert "    before the end" in lines
        assert any("SIGABRT" in line for line in lines)
        assert any("in end" in line for line in lines)
    ray.kill(actor)


def test_retried_task_leaves_no_words_behind(ray: ModuleType, tmp_path: object) -> None:
    def dies_once(folder: str) -> str:
        sys.stderr.write("first" + "\n")
        if not os.path.exists(f"{folder}/done"):
            open(f"{folder}/done", "w").close()
            os._exit(1)
        return "second"

    assert ray.get(ray.remote(dies_once).remote(str(tmp_path)), timeout=DEADLINE_S) == "second"
