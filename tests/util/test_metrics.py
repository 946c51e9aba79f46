"""Metrics of programs, from all processes, and the port that shows them."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyray as ray
from pyray import runtime
from pyray.metrics import cells as metric_cells
from pyray.metrics import export
from pyray.metrics import files as metric_files
from pyray.metrics.cells import Cells, Key
from pyray.util.metrics import Counter, Gauge, Histogram
from pyray.util.placement_group import placement_group
from tests.support import run_script, wait_until

parser = pytest.importorskip("prometheus_client.parser")


@pytest.fixture
def session() -> Iterator[None]:
    ray.init(num_cpus=2, _metrics_export_port=0)
    yield
    ray.shutdown()


def ask(path: str = "/metrics", host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", export.port() or 0, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def shown() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples by name and labels."""
    status, text = ask()
    assert status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counter_adds_up_over_all_processes(session: None) -> None:
    counter = Counter("things", "Things done.", tag_keys=("kind",))
    counter.inc(tags={"kind": "a"})

    @ray.remote
    def work(n: int) -> None:
        counter.inc(n, tags={"kind": "b"})

    @ray.remote
    class Actor:
        def __init__(self) -> None:
            self.counter = Counter("things", "Things done.", tag_keys=("kind",))
            self.counter.set_default_tags({"kind": "b"})

        def work(self) -> None:
            self.counter.inc(0.5)

    actor = Actor.remote()
    ray.get([work.remote(2), work.remote(3), actor.work.remote()])
    found = shown()
    assert found["ray_things_total", (("kind", "a"),)] == 1
    assert found["ray_things_total", (("kind", "b"),)] == 5.5


def test_what_a_killed_worker_counted_stays(session: None) -> None:
    counter = Counter("before_death")

    @ray.remote(max_retries=0)
    def die() -> None:
        counter.inc(7)
        os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(2):
        with pytest.raises(ray.exceptions.WorkerCrashedError):
            ray.get(die.remote())
    wait_until(lambda: shown()["ray_before_death_total", ()] == 14, 10, "both")
    assert shown()["ray_before_death_total", ()] == 14  # and again, when the files are folded


def test_gauge_shows_the_last_value(session: None) -> None:
    gauge = Gauge("level")
    gauge.set(5)

    @ray.remote
    def lower() -> None:
        gauge.set(2)

    ray.get(lower.remote())
    assert shown()["ray_level", ()] == 2
    gauge.set(None)
    gauge.set(3)
    assert shown()["ray_level", ()] == 3


def test_histogram_counts_into_ranges(session: None) -> None:
    histogram = Histogram("took", "Seconds.", boundaries=[0.1, 1, 10], tag_keys=("where",))
    for value in (0.05, 0.1, 0.5, 5, 50):
        histogram.observe(value, {"where": "here"})
    found = {name[0] + dict(name[1]).get("le", ""): value for name, value in shown().items()}
    names = ["0.1", "1.0", "10.0", "+Inf"]
    assert [found[f"ray_took_bucket{name}"] for name in names] == [2, 3, 4, 5]
    assert found["ray_took_count"] == 5
    assert found["ray_took_sum"] == pytest.approx(55.65)


def test_own_metrics_have_rays_names(session: None) -> None:
    @ray.remote
    def one() -> int:
        return 1

    ray.get([one.remote() for _ in range(10)])
    kept = ray.put(bytes(1_000_000))
    found = shown()
    assert found["ray_tasks", (("State", "FINISHED"),)] >= 10
    assert found["ray_resources", (("Name", "CPU"), ("State", "AVAILABLE"))] == 2
    assert found["ray_object_store_memory", (("Location", "MMAP_SHM"),)] >= 1_000_000
    assert found["ray_node_mem_total", ()] > found["ray_node_mem_used", ()] > 0
    assert found["ray_node_disk_usage", ()] > 0
    assert 0 < found["ray_node_disk_utilization_percentage", ()] <= 100
    del kept


@pytest.mark.parametrize("folder", ["", "/nowhere"])
def test_session_without_files_is_shown_without_a_disk(
    session: None, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(runtime.engine()), "session_folder", lambda _engine: folder)
    found = shown()
    assert found["ray_resources", (("Name", "CPU"), ("State", "AVAILABLE"))] == 2
    assert not [name for name, _ in found if name.startswith("ray_node_disk")]


def by_state(name: str) -> dict[str, float]:
    return {dict(labels)["State"]: value for (one, labels), value in shown().items() if one == name}


def test_tasks_actors_and_groups_are_counted_by_state(session: None, tmp_path: Path) -> None:
    go = tmp_path / "go"

    @ray.remote
    def waits() -> None:
        while not go.exists():
            time.sleep(0.01)

    @ray.remote(num_cpus=0)
    class Lives:
        def ping(self) -> None: ...

    actors = [Lives.remote() for _ in range(2)]
    ray.get([actor.ping.remote() for actor in actors])
    ray.kill(actors.pop())
    groups = [placement_group([{"CPU": cpus}]) for cpus in (1, 2)]
    ray.get(groups[0].ready())
    running = [waits.remote() for _ in range(3)]
    wait_until(lambda: by_state("ray_tasks")["RUNNING"] == 1, 20, "a task to run")
    assert by_state("ray_tasks")["PENDING_NODE_ASSIGNMENT"] == 2
    assert by_state("ray_placement_groups") == {"CREATED": 1, "PENDING": 1}
    wait_until(lambda: by_state("ray_actors")["DEAD"] == 1, 20, "an actor to die")
    assert by_state("ray_actors")["ALIVE"] == 1
    go.touch()
    ray.get(running)
    assert by_state("ray_tasks")["RUNNING"] == 0


def test_port_is_on_this_machine_only_and_closed_at_the_end() -> None:
    ray.init(num_cpus=1)
    assert export.port() is None  # nobody asked
    ray.shutdown()
    ray.init(num_cpus=1, _metrics_export_port=0)
    port = export.port()
    assert port is not None
    listening = [
        line.split()[1].partition(":")[0]
        for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].partition(":")[2], 16) == port
    ]
    assert listening == ["0100007F"]
    assert ask(host="evil.example")[0] == 403
    assert ask("/other")[0] == 404
    ray.shutdown()
    assert export.port() is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("port", [-1, 65536, "80", True, 1.5])
def test_wrong_port_is_refused(port: object) -> None:
    with pytest.raises(ValueError, match="_metrics_export_port: expected a port"):
        ray.init(num_cpus=1, _metrics_export_port=port)


def test_taken_port_is_an_error_and_leaves_no_session() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            ray.init(num_cpus=1, _metrics_export_port=taken.getsockname()[1])
    assert not ray.is_initialized()


def test_without_a_session_nothing_is_counted() -> None:
    Counter("lonely").inc()
    Gauge("lonely_too").set(1)


def test_wrong_use_is_an_error() -> None:
    with pytest.raises(ValueError, match="Empty name"):
        Counter("")
    with pytest.warns(UserWarning, match="Invalid metric name: 1a"):
        Counter("1a").inc()
    with pytest.raises(TypeError, match="tag_keys should be a tuple"):
        Counter("a", tag_keys=["x"])  # type: ignore[arg-type]
    counter = Counter("a", tag_keys=("x",))
    assert counter.info == {
        "name": "a", "description": "", "tag_keys": ("x",), "default_tags": {}
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"Missing value for tag key\(s\): x"):
        counter.inc()
    with pytest.raises(ValueError, match="Unrecognized tag key y"):
        counter.set_default_tags({"y": "1"})
    with pytest.raises(TypeError, match="Tag values must be str"):
        counter.inc(tags={"x": 1})  # type: ignore[dict-item]
    for value in (0, -1):
        with pytest.raises(ValueError, match="value must be >0"):
            counter.inc(value)
    with pytest.raises(TypeError, match="value must be int or float"):
        counter.inc("1")  # type: ignore[arg-type]
    for boundaries in (None, [], [0], [1, -1], [2, 1]):
        with pytest.raises(ValueError, match="boundaries"):
            Histogram("h", boundaries=boundaries)


# ---- Files.


def key(name: str, kind: str = "counter") -> Key:
    return Key(kind, name, (("a", "ü"),))


def test_file_grows_and_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metric_cells, "MOST_BYTES", 1 << 15)
    cells = Cells(str(tmp_path))
    places = [cells.place(key(f"name{number}")) for number in range(1000)]
    kept = [place for place in places if place >= 0]
    assert 100 < len(kept) < 1000
    for place in kept:
        cells.numbers[place] += place
    cells.close()
    found = metric_files.totals(str(tmp_path))
    assert [found[key(f"name{n}")][0] for n in range(len(kept))] == kept
    assert "is not counted" in caplog.text


def test_dead_processes_leave_one_file_and_are_counted_once(tmp_path: Path) -> None:
    for number in range(metric_files.MANY_FILES + 1):
        cells = Cells(str(tmp_path))
        cells.numbers[cells.place(key("n"))] += 1
        cells.numbers[cells.place(key("g", "gauge"))] = number
        cells.numbers[cells.place(key("g", "gauge")) + 1] = number
        cells.close()
    metric_files.fold_if_many(str(tmp_path))
    assert not list((tmp_path / "metrics").glob("*.cells"))
    live = Cells(str(tmp_path))
    live.numbers[live.place(key("n"))] += 2
    for _ in range(2):
        found = metric_files.totals(str(tmp_path))
        assert found[key("n")] == [metric_files.MANY_FILES + 3]
        assert found[key("g", "gauge")][0] == metric_files.MANY_FILES
    live.close()


def test_death_while_files_are_added_up_counts_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at each step: before the sum is in place, and before the files are deleted."""
    for step in ("_save", "_delete"):
        cells = Cells(str(tmp_path))
        cells.numbers[cells.place(key("n"))] += 1
        cells.close()
        with monkeypatch.context() as patched:
            real = metric_files._delete

            def die(*arguments: object, real: object = real) -> None:
                if arguments[-1]:
                    raise KeyboardInterrupt

            patched.setattr(metric_files, step, die)
            with pytest.raises(KeyboardInterrupt):
                metric_files.totals(str(tmp_path))
    assert metric_files.totals(str(tmp_path))[key("n")] == [2]
    assert metric_files.totals(str(tmp_path))[key("n")] == [2]


def test_damaged_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.cells").write_bytes(b"\xff" * 100)
    assert metric_cells.read(tmp_path / "x.cells") == {}
    (tmp_path / "x.cells").write_bytes(b"")
    assert metric_cells.read(tmp_path / "x.cells") == {}


def test_forked_child_counts_in_a_session_of_its_own_or_not_at_all() -> None:
    run_script(
        """
        import os
        import pyray as ray
        from pyray import runtime
        from pyray.metrics import files as metric_files
        from pyray.util.metrics import Counter
        ray.init(num_cpus=1)
        counter = Counter("n")
        counter.inc()
        if (pid := os.fork()) == 0:
            counter.inc(100)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        counts = metric_files.totals(runtime.engine().session_folder())
        assert list(counts.values()) == [[1.0]], counts
        """
    )
