"""Deaths while a session ends or a worker prints, and a system that refuses new processes."""

from __future__ import annotations

import random
import re

from tests.support import SLOWNESS, run_script

REFUSING = """
import os
import pyray as ray
from pyray.node import local_engine

LIMIT = '''
import errno, os
real_fork, asked = os.fork, 0

def fork():
    global asked
    asked += 1
    if asked != 4:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return real_fork()

os.fork = fork
'''
local_engine.START = LIMIT + local_engine.START
ray.init(num_cpus=4)
work = ray.remote(lambda n: (n, os.getpid()))
done = ray.get([work.remote(n) for n in range(50)], timeout=20)
assert [n for n, _ in done] == list(range(50))
assert len({pid for _, pid in done}) == 1
ray.shutdown()
"""


def test_system_that_refuses_more_processes_slows_work_and_says_so() -> None:
    """First none can be started for a while, then one, and no others beside it."""
    done = run_script(REFUSING, check=True)
    assert "cannot start a worker: [Errno 11]" in done.stderr


KILLED_IN_SHUTDOWN = """
    import random, signal, sys, threading, time
    import pyray as ray
    from pyray import testing

    chance = random.Random(int(sys.argv[1]))
    for who in ("workers", "workers", "supervisor"):
        ray.init(num_cpus=2, log_to_driver=False)

        @ray.remote(max_restarts=-1)
        class Actor:
            def pid(self):
                return __import__("os").getpid()

            def stay(self):
                time.sleep(60)

        actors = [Actor.options(num_cpus=0).remote() for _ in range(3)]
        pids = ray.get([actor.pid.remote() for actor in actors])
        calls = [actor.stay.remote() for actor in actors]
        victims = pids if who == "workers" else [testing.supervisor_pid()]

        def kill(delay_s):
            time.sleep(delay_s)
            for pid in victims:
                try:
                    __import__("os").kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

        killer = threading.Thread(target=kill, args=(chance.uniform(0, 0.03),))
        killer.start()
        begin = time.monotonic()
        ray.shutdown()
        print(time.monotonic() - begin)
        killer.join()
"""


def test_deaths_while_the_session_shuts_down_do_not_hold_it_up(rng: random.Random) -> None:
    seed = str(rng.randrange(1 << 30))
    done = run_script(KILLED_IN_SHUTDOWN, check=True, args=[seed])
    took_s = [float(line) for line in done.stdout.split()]
    assert len(took_s) == 3, seed
    assert max(took_s) < 1.5 * SLOWNESS, seed


KILLED_IN_RESTART = """
    import os, signal, time
    import pyray as ray
    ray.init(num_cpus=2, log_to_driver=False)

    @ray.remote(max_restarts=8, max_task_retries=-1)
    class Actor:
        def __init__(self, path):
            with open(path, "a") as file:
                file.write("x")
            self.lives = os.path.getsize(path)
            ways = {2: signal.SIGKILL, 3: signal.SIGSEGV, 4: signal.SIGABRT}
            if self.lives in ways:
                os.kill(os.getpid(), ways[self.lives])

        def add(self, n):
            return n, self.lives

    actor = Actor.remote(os.path.abspath("lives"))
    assert ray.get(actor.add.remote(0)) == (0, 1)
    calls = [actor.add.remote(n) for n in range(10)]
    ray.kill(actor, no_restart=False)
    calls += [actor.add.remote(n) for n in range(10, 20)]
    done = ray.get(calls, timeout=20)
    assert [n for n, _ in done] == list(range(20))
    assert done[-1][1] == 5
    from pyray import testing
    del calls
    testing.store_accounts()
    ray.shutdown()
"""


def test_deaths_in_a_restart_are_restarted_again_with_all_calls_in_order() -> None:
    run_script(KILLED_IN_RESTART, check=True)


KILLED_WHILE_PRINTING = """
    import os, signal, sys, time
    import pyray as ray
    from pyray import testing
    ray.init(num_cpus=4)

    @ray.remote(max_retries=0)
    def flood(path):
        open(path + str(os.getpid()), "w").close()
        while True:
            print("the same line")

    @ray.remote(max_retries=0)
    def say(word):   # words, since lines that differ in numbers only are equal
        print("still heard", word)

    floods = [flood.remote(os.path.abspath("flood")) for _ in range(3)]
    while sum(name.startswith("flood") for name in os.listdir()) < 3:
        time.sleep(0.005)
    for name in os.listdir():
        if name.startswith("flood"):
            time.sleep(0.02)   # each dies somewhere in the table of lines
            os.kill(int(name[5:]), signal.SIGKILL)
    for ref in floods:
        try:
            ray.get(ref, timeout=20)
        except ray.exceptions.WorkerCrashedError:
            pass
    ray.get([say.remote(word) for word in ("one", "two", "three")], timeout=20)
    ray.shutdown()
"""


def test_workers_killed_while_they_print_equal_lines_silence_nobody() -> None:
    done = run_script(KILLED_WHILE_PRINTING, check=True)
    said = re.findall(r"still heard (\w+)", done.stdout)
    assert sorted(said) == ["one", "three", "two"]
