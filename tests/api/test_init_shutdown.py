"""ray.init, ray.shutdown, ray.is_initialized."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyray as ray
from pyray.util import list_named_actors
from tests import support


@pytest.fixture(autouse=True)
def end() -> Iterator[None]:
    """End the session of a test that fails in the middle."""
    yield
    ray.shutdown()


def test_context_manager_ends_the_session() -> None:
    with ray.init(num_cpus=1) as context:
        assert ray.is_initialized()
        assert context.address_info["node_ip_address"] == "127.0.0.1"
        assert context["node_ip_address"] == "127.0.0.1"
        assert ray.get(ray.put(1)) == 1
    assert not ray.is_initialized()


def test_second_init_is_refused_with_the_way_out() -> None:
    ray.init(num_cpus=1)
    text = "Maybe you called ray.init twice by accident.*ignore_reinit_error=True.*ray.shutdown"
    with pytest.raises(RuntimeError, match=text):
        ray.init()
    ref = ray.put(1)
    assert ray.init(ignore_reinit_error=True) is not None
    assert ray.get(ref) == 1


def test_shutdown_without_a_session_does_nothing() -> None:
    ray.shutdown()
    ray.shutdown()
    assert not ray.is_initialized()


def test_unknown_argument_is_refused_and_private_ones_are_accepted() -> None:
    with pytest.raises(RuntimeError, match=r"Unknown keyword argument\(s\): foo"):
        ray.init(foo=1)
    assert not ray.is_initialized()
    ray.init(num_cpus=1, _system_config={"a": 1}, _temp_dir="/tmp/x")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"num_cpus": -1}, ValueError),
        ({"num_cpus": "2"}, TypeError),
        ({"num_cpus": float("nan")}, ValueError),
        ({"num_cpus": 1e300}, ValueError),
        ({"resources": {"special": 2**70}}, ValueError),
        ({"object_store_memory": 2**70}, ValueError),
        ({"num_gpus": -1}, ValueError),
        ({"resources": {"CPU": 1}}, ValueError),
        ({"resources": {"x": -1}}, ValueError),
        ({"resources": {"x": "1"}}, TypeError),
        ({"resources": {1: 1}}, TypeError),
        ({"resources": {"é" * 16: 1}}, ValueError),
        ({"object_store_memory": 1}, ValueError),
        ({"object_store_memory": "1G"}, TypeError),
        ({"object_store_memory": 1 << 60}, ray.exceptions.RayError),
        ({"address": "ray://elsewhere:10001"}, ConnectionError),
        ({"runtime_env": {"conda": "x"}}, ValueError),
    ],
    ids=str,
)
def test_bad_value_is_refused_and_nothing_is_left(options: dict[str, Any], error: Any) -> None:
    with pytest.raises(error):
        ray.init(**options)
    assert not ray.is_initialized()
    with ray.init(num_cpus=1):
        assert ray.get(ray.put(1)) == 1


def test_all_documented_arguments_are_accepted() -> None:
    ray.init(
        num_cpus=1,
        num_gpus=0,
        resources={"x": 1},
        object_store_memory=64 << 20,
        namespace="n",
        runtime_env={"env_vars": {"A": "b"}},
        address="local",
        local_mode=False,
        ignore_reinit_error=True,
        log_to_driver=True,
        include_dashboard=False,
        dashboard_host="127.0.0.1",
        dashboard_port=1,
        labels={"a": "b"},
        logging_level=30,
    )
    assert ray.get(ray.remote(lambda: os.environ["A"]).remote()) == "b"


def test_longest_name_of_a_resource_can_be_used() -> None:
    name = "é" * 15 + "x"
    with ray.init(num_cpus=1, resources={name: 1}):
        assert ray.cluster_resources()[name] == 1
        assert ray.get(ray.remote(resources={name: 1})(lambda: 1).remote()) == 1


def test_path_with_what_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, Path("/nonexistent"), None])
    with ray.init(num_cpus=1):
        assert ray.get(ray.remote(lambda: 1).remote()) == 1


def test_init_that_fails_late_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    files = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "pidfd_open", fail)
    with pytest.raises(OSError, match="Too many"):
        ray.init(num_cpus=1)
    assert not ray.is_initialized()
    assert not support.descendants(os.getpid())
    assert len(os.listdir("/proc/self/fd")) == files
    monkeypatch.undo()
    with ray.init(num_cpus=1):
        assert ray.get(ray.put(1)) == 1


def test_first_use_starts_a_session() -> None:
    assert not ray.is_initialized()
    assert ray.get(ray.remote(lambda: 1).remote()) == 1
    assert ray.is_initialized()
    ray.shutdown()
    assert ray.get(ray.put(2)) == 2


def test_function_defined_before_init_runs_in_every_session() -> None:
    @ray.remote
    def f() -> int:
        return 1

    for _ in range(3):
        with ray.init(num_cpus=1):
            assert ray.get(f.remote()) == 1


def test_cycles_leave_no_descriptors_and_threads_behind() -> None:
    def census() -> tuple[int, int, int]:
        return (
            len(os.listdir("/proc/self/fd")),
            len(os.listdir("/proc/self/task")),
            len(support.pyray_maps()),
        )

    with ray.init(num_cpus=1):
        ray.get(ray.remote(lambda: 1).remote())
    before = census()
    for _ in range(5):
        with ray.init(num_cpus=1):
            ray.get(ray.remote(lambda: 1).remote())
    assert census() == before


def test_init_in_a_thread_and_use_in_others() -> None:
    values: list[Any] = []

    def start() -> None:
        ray.init(num_cpus=1)
        values.append(ray.get(ray.remote(lambda: "thread").remote()))

    for target in (start, lambda: values.append(ray.get(ray.put("other")))):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join(30)
    assert ray.get(ray.put("main")) == "main"
    assert values == ["thread", "other"]


def test_shutdown_while_tasks_run_is_quick() -> None:
    import time

    ray.init(num_cpus=2)

    @ray.remote
    def forever() -> None:
        time.sleep(1000)

    refs = [forever.remote() for _ in range(5)]
    ray.wait(refs, timeout=0.2)
    start = time.monotonic()
    ray.shutdown()
    assert time.monotonic() - start < 2


def test_end_of_the_program_ends_everything() -> None:
    done = support.run_script(
        """
        import pyray as ray
        ray.init(num_cpus=2)

        @ray.remote
        def forever():
            import time
            time.sleep(1000)

        refs = [forever.remote() for _ in range(4)]
        ray.wait(refs, timeout=0.3)
        """,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_init_in_a_worker_is_a_mistake_that_does_no_harm() -> None:
    @ray.remote
    def f() -> bool:
        ray.init()
        ray.shutdown()
        return ray.is_initialized()

    with ray.init(num_cpus=1):
        assert ray.get(f.remote()) is True


def test_namespace_of_init_holds_in_workers() -> None:
    @ray.remote
    class Keeper:
        def get(self) -> int:
            return 3

    @ray.remote
    def look() -> tuple[str, int, list[str]]:
        value = ray.get(ray.get_actor("k").get.remote())
        return ray.get_runtime_context().namespace, value, list_named_actors()

    with ray.init(num_cpus=1, namespace="own"):
        keeper = Keeper.options(name="k").remote()
        assert ray.get(look.remote()) == ("own", 3, ["k"])
        assert list_named_actors(all_namespaces=True) == [{"name": "k", "namespace": "own"}]
        del keeper
