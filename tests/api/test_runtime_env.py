"""runtime_env of tasks, actors and sessions."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyray as ray
from pyray.environments import cache as env_cache
from pyray.runtime_env import RuntimeEnv, RuntimeEnvConfig


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYRAY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def session(cache: Path) -> Iterator[None]:
    with ray.init(num_cpus=2):
        yield


def wheel(folder: Path, name: str, version: str = "1.0") -> str:
    """Make a wheel with one module that has one variable."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return str(path)


@ray.remote
def variables(*names: str) -> list[str | None]:
    return [os.environ.get(name) for name in names]


@ray.remote
def process() -> int:
    return os.getpid()


@pytest.mark.usefixtures("session")
def test_variables_of_tasks_and_actors() -> None:
    @ray.remote
    class Asker:
        def ask(self) -> str | None:
            return os.environ.get("V")

    def env(value: str) -> dict[str, Any]:
        return {"env_vars": {"V": value}}

    assert ray.get(variables.options(runtime_env=env("1")).remote("V")) == ["1"]
    assert ray.get(Asker.options(runtime_env=env("2")).remote().ask.remote()) == "2"
    assert ray.get(variables.options(runtime_env=RuntimeEnv(**env("3"))).remote("V")) == ["3"]
    assert ray.get(variables.remote("V")) == [None]
    path = {"env_vars": {"PATH": "/x:${PATH}"}}
    (found,) = ray.get(variables.options(runtime_env=path).remote("PATH"))
    assert found == f"/x:{os.environ['PATH']}"


@pytest.mark.usefixtures("session")
def test_workers_are_used_again_within_their_environment_only() -> None:
    one = process.options(runtime_env={"env_vars": {"V": "1"}})
    two = process.options(runtime_env={"env_vars": {"V": "2"}})
    tasks = [one, two, process] * 5
    pids = ray.get([task.remote() for task in tasks])
    kinds = [set(pids[kind::3]) for kind in range(3)]
    assert not kinds[0] & kinds[1]
    assert not (kinds[0] | kinds[1]) & kinds[2]
    assert ray.get(one.remote()) not in kinds[1] | kinds[2]


@pytest.mark.usefixtures("session")
def test_children_inherit_and_add() -> None:
    @ray.remote
    def parent() -> list[list[str | None]]:
        other = variables.options(runtime_env={"env_vars": {"B": "2"}})
        return ray.get([variables.remote("A", "B"), other.remote("A", "B")])

    found = ray.get(parent.options(runtime_env={"env_vars": {"A": "1"}}).remote())
    assert found == [["1", None], ["1", "2"]]


def test_session_has_an_environment(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "data").write_text("text")
    (folder / "my_helper_module.py").write_text("NUMBER = 5\n")
    (folder / "secret").write_text("x")
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "a.log").write_text("x")

    @ray.remote
    def look() -> tuple[str, int, list[str], dict[str, Any]]:
        import my_helper_module

        env = ray.get_runtime_context().runtime_env
        return (
            Path("data").read_text(),
            my_helper_module.NUMBER,
            sorted(set(os.listdir()) - {"__pycache__"}),
            env.to_dict(),
        )

    env = {"working_dir": str(folder), "excludes": ["secret"], "env_vars": {"A": "1"}}
    with ray.init(num_cpus=1, runtime_env=env):
        text, number, names, found = ray.get(look.remote())
        assert (text, number) == ("text", 5)
        assert names == [".gitignore", "data", "my_helper_module.py"]
        assert found == env
        assert ray.get(
            variables.options(runtime_env={"env_vars": {"B": "2"}}).remote("A", "B")
        ) == [
            "1",
            "2",
        ]


@pytest.mark.usefixtures("session")
def test_working_dir_and_modules_of_a_task(tmp_path: Path) -> None:
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("A = 1\n")
    (tmp_path / "my_single.py").write_text("B = 2\n")
    archive = tmp_path / "work.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("top/inside", "zipped")

    @ray.remote
    def look() -> tuple[int, int, str, str]:
        import my_package
        import my_single
        import my_wheel

        return my_package.A, my_single.B, my_wheel.VERSION, Path("inside").read_text()

    env = {
        "working_dir": str(archive),
        "py_modules": [str(package), str(tmp_path / "my_single.py"), wheel(tmp_path, "my_wheel")],
    }
    assert ray.get(look.options(runtime_env=env).remote()) == (1, 2, "1.0", "zipped")


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_packages_are_installed_once(tool: str, tmp_path: Path, cache: Path) -> None:
    @ray.remote
    def version() -> str:
        import my_installed

        return f"{my_installed.VERSION} {my_installed.__file__}"

    old, new = (wheel(tmp_path, "my_installed", number) for number in ("1.0", "2.0"))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"# the old one\n{old}\n")
    tasks = [
        version.options(runtime_env={tool: env})
        for env in ([old], [new], {"packages": [old]}, str(requirements))
    ]
    found = ray.get([task.remote() for task in tasks])
    assert [text[:3] for text in found] == ["1.0", "2.0", "1.0", "1.0"]
    assert found[0] == found[2] == found[3]
    folders = [path for path in (cache / "packages").iterdir() if path.is_dir()]
    assert len(folders) == 2


@pytest.mark.usefixtures("session")
def test_failure_to_set_up_names_what_failed(tmp_path: Path) -> None:
    @ray.remote
    class Actor:
        def f(self) -> None: ...

    def bad_hook() -> None:
        raise KeyError("from the hook")

    missing = {"pip": [str(tmp_path / "missing-1.0-py3-none-any.whl")]}
    with pytest.raises(ray.exceptions.RuntimeEnvSetupError, match="missing-1.0"):
        ray.get(variables.options(runtime_env=missing).remote("A"))
    with pytest.raises(ray.exceptions.RuntimeEnvSetupError, match="missing-1.0"):
        ray.get(Actor.options(runtime_env=missing).remote().f.remote())
    hook = {"worker_process_setup_hook": bad_hook}
    with pytest.raises(ray.exceptions.RuntimeEnvSetupError, match="from the hook"):
        ray.get(variables.options(runtime_env=hook).remote("A"))
    assert ray.get(variables.remote("A"), timeout=20) == [None]


@pytest.mark.usefixtures("session")
def test_set_up_that_failed_is_tried_again(tmp_path: Path) -> None:
    env = {
        "worker_process_setup_hook": "os.getcwd",
        "pip": [str(tmp_path / "late-1-py3-none-any.whl")],
    }
    task = variables.options(runtime_env=env)
    with pytest.raises(ray.exceptions.RuntimeEnvSetupError):
        ray.get(task.remote("A"))
    wheel(tmp_path, "late", "1")
    assert ray.get(task.remote("A")) == [None]


@pytest.mark.usefixtures("session")
def test_hook_runs_once_in_each_worker(tmp_path: Path) -> None:
    marks = tmp_path / "marks"

    def mark() -> None:
        with marks.open("a") as file:
            file.write(f"{os.getpid()}\n")

    task = process.options(runtime_env={"worker_process_setup_hook": mark})
    pids = {ray.get(task.remote()) for _ in range(5)}
    marked = marks.read_text().split()
    assert pids <= set(map(int, marked))
    assert len(marked) == len(set(marked))


@pytest.mark.parametrize(
    ("env", "error", "text"),
    [
        ({"conda": "x"}, ValueError, "'conda' is not available .* use 'pip' or 'uv'"),
        ({"container": {}}, ValueError, "use 'pip' or 'uv'"),
        ({"nonsense": 1}, ValueError, "unknown field 'nonsense'"),
        ({"env_vars": {"A": 1}}, TypeError, "must be of type Dict"),
        ({"env_vars": ["A"]}, TypeError, "must be of type Dict"),
        ({"working_dir": "/no/such/folder"}, ValueError, "must be an existing directory"),
        ({"working_dir": "s3://bucket/x.zip"}, ValueError, "on another machine"),
        ({"py_modules": "x"}, TypeError, "must be a list"),
        ({"pip": 3}, TypeError, "must be a list of strings"),
        ({"pip": "no-such-file"}, ValueError, "is not a valid file"),
        ({"pip": {"things": []}}, ValueError, "can only have"),
        ({"pip": ["a"], "uv": ["a"]}, ValueError, "cannot be specified at the same time"),
        ({"config": {"setup_timeout_seconds": 0}}, ValueError, "greater than zero"),
        ({"worker_process_setup_hook": 3}, TypeError, "must be a function"),
    ],
)
def test_wrong_fields_are_refused_where_they_are_written(
    env: dict[str, Any], error: type[Exception], text: str
) -> None:
    for refuse in (
        lambda: variables.options(runtime_env=env),
        lambda: RuntimeEnv(**env),
        lambda: ray.init(runtime_env=env),
    ):
        with pytest.raises(error, match=text):
            refuse()
    assert RuntimeEnvConfig(5)["setup_timeout_seconds"] == 5


def test_what_a_dead_builder_left_is_removed(cache: Path) -> None:
    parent = cache / "kind"
    parent.mkdir(parents=True)
    (parent / "abc.xyz.tmp").mkdir()
    folder = env_cache.made_once("kind", "abc", lambda path: (path / "file").touch())
    assert sorted(path.name for path in parent.iterdir()) == ["abc", "abc.lock"]
    assert (folder / "file").exists()

    def fail(_path: Path) -> None:
        raise OSError("no room")

    assert env_cache.made_once("kind", "abc", fail) == folder
    with pytest.raises(OSError, match="no room"):
        env_cache.made_once("kind", "other", fail)
    assert not (parent / "other").exists()


@pytest.mark.parametrize(
    ("excludes", "left"),
    [
        ([], ["a.py", "sub/b.py", "sub/deep/c.txt"]),
        (["*.py"], ["sub/deep/c.txt"]),
        (["sub"], ["a.py"]),
        (["/a.py", "sub/deep/"], ["sub/b.py"]),
    ],
)
def test_excludes_are_patterns(excludes: list[str], left: list[str], tmp_path: Path) -> None:
    for name in ("a.py", "sub/b.py", "sub/deep/c.txt", "__pycache__/x.pyc"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert env_cache.files_of(tmp_path / "folder", excludes) == left
