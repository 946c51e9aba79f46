"""What the workers of a driver that has joined print: as for the first one, and never elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

import pyray as ray
from pyray.node import joining
from tests.support import run_script, started_script, wait_until

FLOOD = """
    import sys
    import pyray as ray

    @ray.remote(num_cpus=0)
    class Worker:
        def talk(self, n):
            print("ready after", n)

    ray.init(address=sys.argv[1])
    workers = [Worker.remote() for _ in range(4)]
    for n, worker in enumerate(workers):
        ray.get(worker.talk.remote(n))
    ray.shutdown()
"""


def test_flood_of_equal_lines_is_folded(head: str) -> None:
    lines = run_script(FLOOD, args=[head], check=True).stdout.splitlines()
    assert len(lines) == 2, lines
    assert re.fullmatch(r"\(Worker pid=\d+\) ready after 0", lines[0])
    assert re.match(r"\(Worker pid=\d+\) ready after 3 \[repeated 3x across cluster\]", lines[1])


def test_drivers_choose_whether_lines_are_folded(head: str) -> None:
    done = run_script(FLOOD, args=[head], env={"RAY_DEDUP_LOGS": "0"}, check=True)
    assert len(done.stdout.splitlines()) == 4
    assert "repeated" not in done.stdout


LOGGING = """
    import logging, sys
    import pyray as ray

    @ray.remote
    def speak():
        logging.getLogger("speaker").info("too quiet")
        logging.getLogger("speaker").warning("loud")

    ray.init(address=sys.argv[1], logging_config=ray.LoggingConfig("JSON", "WARNING"))
    ray.get(speak.remote())
    ray.shutdown()
"""


def test_logging_config_is_that_of_the_driver_s_workers(head: str) -> None:
    done = run_script(LOGGING, args=[head], check=True)
    [line] = (done.stdout + done.stderr).splitlines()
    record = json.loads(line)
    assert (record["message"], record["levelname"]) == ("loud", "WARNING")
    assert record["task_name"] == "speak"


HIDING = """
    import sys
    import pyray as ray
    from pyray.util import state

    @ray.remote
    def speak(words):
        print(words)
        print("error:", words, file=sys.stderr)
        return ray.get_runtime_context().get_worker_id()

    ray.init(address=sys.argv[1], log_to_driver=sys.argv[2] == "shown")
    worker = ray.get(speak.remote(sys.argv[2]))
    for name in ("out", "err"):
        print(*state.get_log(pid=int(worker[:16], 16), suffix=name), sep="", end="")
    ray.shutdown()
"""


def test_drivers_choose_whether_they_see_what_workers_print(head: str) -> None:
    done = run_script(HIDING, args=[head, "hidden"], check=True)
    assert (done.stdout, done.stderr) == ("hidden\nerror: hidden\n", "")
    done = run_script(HIDING, args=[head, "shown"], check=True)
    assert re.sub(r"pid=\d+", "pid", done.stderr) == "(speak pid) error: shown\n"
    assert sorted(re.sub(r"pid=\d+", "pid", done.stdout).splitlines()) == [
        "(speak pid) shown",
        "error: shown",
        "shown",
    ]


@pytest.mark.parametrize(
    "words",
    [
        {"logging_config": 5},
        {"logging_config": {"encoding": "no"}},
        {"logging_config": {"no": 1}},
        {"folding": []},
        {"folding": {"RAY_DEDUP_LOGS_SKIP_REGEX": "("}},
        {"folding": {"RAY_DEDUP_LOGS_SKIP_REGEX": "a{99999999999999}"}},
        {"folding": {"RAY_DEDUP_LOGS_SKIP_REGEX": "(" * 9000 + ")" * 9000}},
        {"folding": {"RAY_DEDUP_LOGS_AGG_WINDOW_S": "soon"}},
    ],
    ids=lambda words: str(words)[:60],
)
def test_impossible_wishes_are_refused_at_the_door(words: dict[str, object]) -> None:
    with ray.init(num_cpus=1) as context:
        path = str(context.address_info["session_dir"])
        request = {"version": ray.__version__, "python_version": sys.version.split()[0]}
        with pytest.raises(ConnectionError, match=r"TypeError|ValueError"):
            joining.ask(path, {"wants": "join", **request, **words})
        assert ray.get(ray.remote(lambda: 1).remote()) == 1


SPEAKER = """
    import os, sys
    import pyray as ray

    @ray.remote(num_cpus=0, max_restarts=-1)
    class Speaker:
        def say(self, words):
            print(words, flush=True)
            os.write(1, f"raw {words}\\n".encode())
            return os.getpid()

    ray.init(address=sys.argv[1], namespace="shared")
    speaker = Speaker.options(name="speaker", lifetime="detached").remote()
    ray.get(speaker.say.remote("first words"))
"""
OWNER = """
    import sys
    import pyray as ray

    with ray.init(num_cpus=1, namespace="shared") as context:
        print(context.address_info["session_dir"], flush=True)
        sys.stdin = open(sys.argv[1])  # until somebody writes there
        sys.stdin.read()
"""


def test_restarted_actor_of_a_driver_that_has_gone_prints_into_its_file_only(
    tmp_path: Path,
) -> None:
    """Its driver's pipes are closed; the session's own driver has not asked for its words."""
    wait = tmp_path / "wait"
    os.mkfifo(wait)
    with started_script(OWNER, args=[str(wait)]) as owner:
        owner.wait_for_output("session_")
        [path] = owner.stdout().splitlines()
        done = run_script(SPEAKER, args=[path], check=True)
        assert "first words" in done.stdout
        ray.init(address=path, namespace="shared")
        try:
            speaker = ray.get_actor("speaker")
            before = ray.get(speaker.say.remote("later words"))
            os.kill(before, signal.SIGKILL)
            wait_until(lambda: _says(speaker, "last words") not in {None, before}, 20, "a restart")
            logs = [file.read_text() for file in Path(path, "logs").glob("worker-*.out")]
            assert any("later words" in text for text in logs)
            assert any("last words" in text for text in logs)
            ray.kill(speaker)
        finally:
            ray.shutdown()
        wait.write_text("end")
        assert owner.process.wait(20) == 0
        assert owner.stdout() == f"{path}\n"
        assert "words" not in owner.stderr()


def _says(speaker: ray.ActorHandle, words: str) -> int | None:
    try:
        return int(ray.get(speaker.say.remote(words)))
    except ray.exceptions.RayActorError:
        return None
