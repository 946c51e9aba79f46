"""What a program's user sees: the output of workers, and nothing else."""

from __future__ import annotations

import re

from tests.support import run_script

HELLO = """
    import pyray as ray

    @ray.remote
    def hello(name):
        return f"Hello, {name}"

    ray.init()
    print(ray.get(hello.remote("world")))
"""


def test_hello_world_prints_its_line_and_nothing_else() -> None:
    done = run_script(HELLO, check=True)
    assert (done.stdout, done.stderr) == ("Hello, world\n", "")


def test_a_thousand_tasks_and_a_crash_print_nothing() -> None:
    source = """
    import os
    import pyray as ray

    ray.init(num_cpus=2)

    @ray.remote(max_retries=0)
    def task(n):
        if n == 500:
            os._exit(1)
        return n

    ready, _ = ray.wait([task.remote(n) for n in range(1000)], num_returns=1000)
    lost = 0
    for ref in ready:
        try:
            ray.get(ref)
        except ray.exceptions.WorkerCrashedError:
            lost += 1
    assert lost == 1
    ray.shutdown()
    """
    done = run_script(source, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_program_without_init_and_shutdown_prints_nothing_else() -> None:
    done = run_script(HELLO.replace("    ray.init()\n", ""), check=True)
    assert (done.stdout, done.stderr) == ("Hello, world\n", "")


PRINTING = """
    import sys
    import pyray as ray

    @ray.remote
    def f():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        print("two\\nlines")
        print("no newline", end="")

    ray.init(num_cpus=1{options})
    ray.get(f.remote())
    ray.shutdown()
"""


def test_lines_of_a_task_are_marked_and_go_to_their_stream() -> None:
    done = run_script(PRINTING.format(options=""), check=True)
    lines = done.stdout.splitlines()
    pid = re.match(r"\(f pid=(\d+)\) ", lines[0])
    assert pid, done.stdout
    mark = f"(f pid={pid[1]}) "
    assert lines == [f"{mark}to stdout", f"{mark}two", f"{mark}lines", f"{mark}no newline"]
    assert done.stderr == f"{mark}to stderr\n"


HIDDEN = """
    import os, sys
    import pyray as ray
    from pyray.util import state

    def speak(name):
        print(name, "to stdout")
        print(name, "to stderr", file=sys.stderr, flush=True)
        os.write(1, b"raw\\n")
        os.system("echo from a child >&2")
        return os.getpid()

    @ray.remote
    class Actor:
        def speak(self, name):
            return speak(name)

    ray.init(num_cpus=1, log_to_driver=False)
    actor = Actor.options(num_cpus=0).remote()
    pids = ray.get([ray.remote(speak).remote("task"), actor.speak.remote("actor")])
    for pid in pids:
        for suffix in ("out", "err"):
            print(*state.get_log(pid=pid, suffix=suffix), sep="", end="")
    ray.shutdown()
"""


def test_without_log_to_driver_only_log_files_get_what_workers_print() -> None:
    done = run_script(PRINTING.format(options=", log_to_driver=False"), check=True)
    assert (done.stdout, done.stderr) == ("", "")
    done = run_script(HIDDEN, check=True)
    assert done.stderr == ""
    assert done.stdout == "".join(
        f"{name} to stdout\nraw\n{name} to stderr\nfrom a child\n" for name in ("task", "actor")
    )


def test_hidden_workers_leave_only_files_in_which_there_is_something() -> None:
    done = run_script(
        """
        import os, re, signal, time
        import pyray as ray
        from pyray.util import state

        @ray.remote(max_retries=0, max_calls=1)
        def f(how):
            if how == "prints":
                print("words")
            elif how == "dies":
                os.kill(os.getpid(), signal.SIGKILL)

        ray.init(num_cpus=1, log_to_driver=False)
        assert sum(map(len, state.list_logs().values())) in (0, 2)  # of the one that waits
        for how in ("prints", "dies", "ends"):
            try:
                ray.get(f.remote(how))
            except ray.exceptions.WorkerCrashedError:
                print(how)
        deadline = time.monotonic() + 10
        while True:
            alive = {str(one.pid) for one in state.list_workers() if one.is_alive}
            names = [name for group in state.list_logs().values() for name in group]
            left = [name for name in names if name[:-4].rpartition("-")[2] not in alive]
            if len(left) == 1 or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        print(*[re.sub("^worker-.{56}|[0-9]+(?=.out)", "", name) for name in left])
        ray.shutdown()
        """,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("dies\n-01000000-.out\n", "")


def test_output_comes_before_the_result_is_got() -> None:
    done = run_script(
        """
        import pyray as ray

        @ray.remote
        def f(i):
            print("task", i)

        ray.init(num_cpus=1)
        for i in range(5):
            ray.get(f.remote(i))
            print("got", i, flush=True)
        ray.shutdown()
        """,
        check=True,
    )
    assert re.sub(r"\(f pid=\d+\) ", "", done.stdout).splitlines() == [
        f"{word} {i}" for i in range(5) for word in ("task", "got")
    ]


def test_lines_of_several_workers_stay_whole() -> None:
    done = run_script(
        """
        import pyray as ray

        @ray.remote
        def f(i):
            for _ in range(200):
                print(str(i) * 300)

        ray.init(num_cpus=2)
        ray.get([f.remote(i) for i in range(4)])
        ray.shutdown()
        """,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 800
    assert all(re.fullmatch(r"\(f pid=\d+\) (\d)\1{299}", line) for line in lines)


def test_text_of_any_kind_passes() -> None:
    done = run_script(
        r"""
        import os, sys
        import pyray as ray

        @ray.remote
        def f():
            print("ünïcode 日本", "\x1b[31mred\x1b[0m")
            print("lone \ud800")
            print("carriage\rreturn")
            sys.stdout.buffer.write(b"bytes\n")
            sys.stdout.write("a"); sys.stdout.write("b\n")
            print()
            os.write(1, b"raw\n")

        ray.init(num_cpus=1)
        ray.get(f.remote())
        ray.shutdown()
        """,
        env={"PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    text = re.sub(r"\(f pid=\d+\) ", "> ", done.stdout)
    assert text == (  # of what overwrites itself, the last is left
        "> ünïcode 日本 \x1b[31mred\x1b[0m\n> lone \\ud800\n> return\n> bytes\n> ab\n> \nraw\n"
    )


def test_actor_s_lines_carry_its_class() -> None:
    done = run_script(
        """
        import pyray as ray

        @ray.remote
        class Talker:
            def talk(self):
                print("hi")

        ray.init(num_cpus=1)
        talker = Talker.remote()
        ray.get(talker.talk.remote())
        ray.shutdown()
        """,
        check=True,
    )
    assert re.fullmatch(r"\(Talker pid=\d+\) hi\n", done.stdout)


def test_unhandled_error_of_a_task_is_shown_once_by_the_program_itself() -> None:
    done = run_script(
        """
        import pyray as ray

        @ray.remote
        def f():
            raise ValueError("remember")

        ray.init(num_cpus=1)
        ray.get(f.remote())
        """
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("ValueError: remember") == 1
    assert "ray::f() (pid=" in done.stderr


def test_actor_s_own_repr_marks_its_lines_after_construction() -> None:
    done = run_script(
        """
        import pyray as ray

        @ray.remote
        class Talker:
            def __init__(self, name):
                self.name = name
                print("made")
            def __repr__(self):
                return f"Talker({self.name})"
            def talk(self):
                print("hi")

        ray.init(num_cpus=1)
        talker = Talker.remote("eve")
        ray.get(talker.talk.remote())
        ray.shutdown()
        """,
        check=True,
    )
    made, hi = done.stdout.splitlines()
    assert re.fullmatch(r"\(Talker pid=\d+\) made", made)
    assert re.fullmatch(r"\(Talker\(eve\) pid=\d+\) hi", hi)


FLOOD = """
    import pyray as ray

    @ray.remote
    class Worker:
        def talk(self, n):
            print("ready after", n)

    ray.init(num_cpus=1)
    workers = [Worker.remote() for _ in range(4)]
    for n, worker in enumerate(workers):
        ray.get(worker.talk.remote(n))
    ray.shutdown()
"""


def test_flood_of_equal_lines_of_several_workers_is_folded() -> None:
    lines = run_script(FLOOD, check=True).stdout.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"\(Worker pid=\d+\) ready after 0", lines[0])
    assert re.match(r"\(Worker pid=\d+\) ready after 3 \[repeated 3x across cluster\]", lines[1])


def test_flood_is_shown_when_folding_is_off() -> None:
    done = run_script(FLOOD, env={"RAY_DEDUP_LOGS": "0"}, check=True)
    assert len(done.stdout.splitlines()) == 4
    assert "repeated" not in done.stdout


BARS = """
    import sys
    import pyray as ray
    from pyray.experimental import tqdm_ray

    @ray.remote
    def f():
        assert list(tqdm_ray.tqdm(range(3), desc="ours")) == [0, 1, 2]
        for n in (10, 50, 100):
            sys.stderr.write(f"\\rtheirs: {n}%")
            sys.stderr.flush()
        sys.stderr.write("\\rtheirs: done\\n")

    ray.init(num_cpus=1)
    ray.get(f.remote())
    for _ in tqdm_ray.tqdm(range(2), desc="here"):
        tqdm_ray.safe_print("beside it")
    ray.shutdown()
"""


def test_progress_bars_of_workers_are_whole_lines() -> None:
    done = run_script(BARS, check=True)
    lines = [line for line in re.split(r"[\r\n]+", done.stderr) if line.startswith("(f pid=")]
    ours = [line for line in lines if "ours" in line]
    assert re.search(r"ours: 100%\|#{20}\| 3/3 \[", ours[-1])
    theirs = [line.partition(") ")[2] for line in lines if "theirs" in line]
    assert theirs == ["theirs: 10%", "theirs: done"]
    assert done.stdout == "beside it\n" * 2


LOGGING = """
    import logging
    import pyray as ray

    @ray.remote
    def f():
        logging.getLogger("mine").info("from the task", extra={"own": 5})
        logging.getLogger("mine").debug("not this")

    config = ray.LoggingConfig(encoding="ENCODING", additional_log_standard_attrs=["name"])
    ray.init(num_cpus=1, logging_config=config)
    ray.get(f.remote())
    logging.warning("from the driver")
    ray.shutdown()
"""


def test_logging_config_json_writes_an_object_a_line() -> None:
    import json

    done = run_script(LOGGING.replace("ENCODING", "JSON"), check=True)
    task, driver = map(json.loads, done.stderr.splitlines())
    assert (task["message"], task["levelname"], task["name"]) == ("from the task", "INFO", "mine")
    assert (task["task_name"], task["job_id"], task["own"]) == ("f", "01000000", 5)
    assert len(task["task_id"]) == 48
    assert len(task["worker_id"]) == len(task["node_id"]) == 56
    assert driver["message"] == "from the driver"
    assert "task_id" not in driver


def test_logging_config_text_appends_the_context() -> None:
    done = run_script(LOGGING.replace("ENCODING", "TEXT"), check=True)
    task, driver = done.stderr.splitlines()
    assert re.match(r"\(f pid=\d+\) \d{4}-.*\tINFO .*:\d+ -- from the task name=mine ", task)
    assert "task_name=f" in task
    assert "WARNING" in driver


def test_logging_config_refuses_what_it_does_not_know() -> None:
    import pytest

    import pyray

    with pytest.raises(ValueError, match="Invalid encoding type: XML"):
        pyray.LoggingConfig(encoding="XML")
    with pytest.raises(ValueError, match="Unknown python logging standard attribute: colour"):
        pyray.LoggingConfig(additional_log_standard_attrs=["colour"])
    with pytest.raises(ValueError, match="log_level"):
        pyray.LoggingConfig(log_level="LOUD")
    with pytest.raises(TypeError, match="logging_config"):
        pyray.init(logging_config={"encoding": "JSON"})
