"""`pyray list`, `get`, `summary`, `memory`, `timeline`: a session seen from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT, started_script

PROGRAM = """
    import time
    import pyray as ray
    from pyray import _core
    ray.init(num_cpus=2, log_to_driver=False)

    @ray.remote
    def adds(a, b):
        return a + b

    @ray.remote
    def fails():
        raise ValueError("no such thing")

    @ray.remote
    class Keeper:
        def keep(self, value):
            self.value = value

    keeper = Keeper.options(name="keeper").remote()
    big = ray.put(b"x" * 500_000)
    ray.get([adds.remote(n, n) for n in range(300)])
    ray.get(keeper.keep.remote([big]))
    ray.wait([fails.remote()])
    print("session", f"{_core.nonce():016x}", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def session_id() -> Iterator[str]:
    with started_script(PROGRAM, env={"RAY_record_ref_creation_sites": "1"}) as script:
        script.wait_for_output("session")
        yield script.stdout().split()[1]


def pyray(session_id: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyray", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYRAY_ADDRESS": session_id, "COLUMNS": "80", **more},
    )


def test_list_prints_a_table_of_80_columns(session_id: str) -> None:
    result = pyray(session_id, "list", "tasks", "--limit", "10")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "Total: 303, shown: 10" in lines
    assert max(map(len, lines)) <= 80
    assert sum("adds" in line or "fails" in line or "Keeper" in line for line in lines) == 10
    assert "Shown are 10 of 303" in result.stderr


def test_list_speaks_json_and_yaml(session_id: str) -> None:
    arguments = ("list", "tasks", "-f", "state=FAILED", "--detail", "--format")
    rows = json.loads(pyray(session_id, *arguments, "json").stdout)
    assert [row["error_message"] for row in rows] == ["ValueError: no such thing"]
    assert yaml.safe_load(pyray(session_id, *arguments, "yaml").stdout) == rows
    one = yaml.safe_load(pyray(session_id, "get", "tasks", rows[0]["task_id"]).stdout)
    assert one == rows


def test_summaries_count_everything(session_id: str) -> None:
    tasks = json.loads(pyray(session_id, "summary", "tasks", "--format", "json").stdout)
    assert tasks["summary"]["adds"]["state_counts"] == {"FINISHED": 300}
    assert tasks["summary"]["fails"]["state_counts"] == {"FAILED": 1}
    text = pyray(session_id, "summary", "objects").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "LOCAL_REFERENCE" in text.upper()


def test_memory_names_holders_and_sites(session_id: str) -> None:
    text = pyray(session_id, "memory").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "500,000 B" in text
    reports = json.loads(pyray(session_id, "memory", "--format", "json").stdout)
    [big] = [one for one in reports if one["size_bytes"] == 500_000]
    assert {(one["kind"], one["by"]) for one in big["holders"]} == {
        ("LOCAL_REFERENCE", "driver"),
        ("LOCAL_REFERENCE", "worker"),
    }
    assert big["site"].endswith(":<module>")
    grouped = pyray(session_id, "memory", "--group-by", "STACK_TRACE", "--units", "KB").stdout
    assert "488.28 KB" in grouped


def test_timeline_is_written(session_id: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    assert pyray(session_id, "timeline", "-o", str(path)).returncode == 0
    trace = json.loads(path.read_text())
    assert sum(event["name"] == "adds" and event["ph"] == "X" for event in trace) == 300


def test_wrong_questions_end_with_an_error(session_id: str) -> None:
    for arguments, code, words in (
        (("list", "tasks", "-f", "nothing"), 2, "column=value"),
        (("list", "tasks", "-f", "size=1"), 1, "is not supported"),
        (("list", "things"), 2, "is not one of"),
        (("get", "tasks", "0" * 48), 1, "not found"),
        (("list", "tasks", "--address", "nobody"), 1, "no running session"),
        (("timeline", "-o", "/no/such/folder/x"), 1, "No such file"),
    ):
        result = pyray(session_id, *arguments)
        assert (result.returncode, result.stdout) == (code, ""), arguments
        assert words in result.stderr
        assert "Traceback" not in result.stderr


def test_a_reader_that_goes_is_no_error(session_id: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "pyray", "list", "tasks", "--limit", "1000", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYRAY_ADDRESS": session_id},
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_missing_library_is_named(session_id: str, tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise ImportError('not here')")
    result = pyray(session_id, "list", "nodes", "--detail", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.startswith("Error: This needs PyYAML: pip install 'pyray[cli]'")


def test_shells_can_complete() -> None:
    result = pyray("", _PYRAY_COMPLETE="bash_source")
    assert result.returncode == 0
    assert "complete" in result.stdout
