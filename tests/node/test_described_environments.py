"""Environments of workers are described to whoever looks at the session."""

from __future__ import annotations

import json
from pathlib import Path

from pyray.environments import notes
from tests.support import run_script

PROGRAM = """
    import json, sys
    import pyray as ray
    from pyray.util import state

    def hook():
        pass

    @ray.remote
    def envs(address=None):
        rows = state.list_runtime_envs(address=address, detail=True)
        assert all(row.success and row.ref_cnt for row in rows), rows
        return sorted(json.dumps(row.runtime_env) for row in rows)

    @ray.remote
    def nested():
        return ray.get(envs.options(runtime_env={"env_vars": {"B": "gr\\u00fcn"}}).remote())

    ray.init(
        runtime_env={"env_vars": {"A": "a"}, "worker_process_setup_hook": hook},
        **json.loads(sys.argv[1]),
    )
    print(*ray.get(envs.remote()))
    print(*ray.get(nested.remote()), sep="\\n")
    outside = ray.get_runtime_context().get_node_id()[-16:]
    assert state.list_runtime_envs(address=outside) == state.list_runtime_envs()
    ray.shutdown()
"""
OWN = {"env_vars": {"A": "a"}, "worker_process_setup_hook": "hook"}
NESTED = {**OWN, "env_vars": {"A": "a", "B": "gr\u00fcn"}}


def described(arguments: dict[str, object]) -> list[object]:
    """Return what the program sees: its own environment, then that and another one."""
    done = run_script(PROGRAM, args=[json.dumps(arguments)], check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_those_of_init_and_of_nested_tasks_are_described() -> None:
    assert described({"num_cpus": 2}) == [OWN, NESTED, OWN]


def test_those_of_a_driver_that_joins_are_described(head: str) -> None:
    assert described({"address": head}) == [OWN, NESTED, OWN]


def test_notes_are_replaced_whole_and_may_be_absent(tmp_path: Path) -> None:
    notes.write("", 3, {"env_vars": {}})
    assert notes.read(tmp_path, 3) is None
    for text in ("first", "second"):
        notes.write(str(tmp_path), 3, {"env_vars": {"A": text}})
    assert notes.read(tmp_path, 3) == {"env_vars": {"A": "second"}}
    [path] = (tmp_path / notes.FOLDER).iterdir()
    path.write_text("{")
    assert notes.read(tmp_path, 3) is None
