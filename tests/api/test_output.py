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


def test_without_log_to_driver_bytes_pass_unchanged() -> None:
    # Ray prints nothing then; a worker's output belongs to the program's.
    done = run_script(PRINTING.format(options=", log_to_driver=False"), check=True)
    assert done.stdout == "to stdout\ntwo\nlines\nno newline"
    assert done.stderr == "to stderr\n"


def test_output_comes_before_the_result_is_got() -> None:
    done = run_script(
        """
        import pyray as ray

        @ray.remote
        def f(i):
            print("task", i)

        ray.init(num_cpus=1, log_to_driver=False)
        for i in range(5):
            ray.get(f.remote(i))
            print("got", i, flush=True)
        ray.shutdown()
        """,
        check=True,
    )
    assert done.stdout.split("\n")[:-1] == [
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
    assert text == (
        "> ünïcode 日本 \x1b[31mred\x1b[0m\n> lone \\ud800\n> carriage\rreturn\n"
        "> bytes\n> ab\n> \nraw\n"
    ).replace("\r", "\n" if "\r" not in done.stdout else "\r")


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
