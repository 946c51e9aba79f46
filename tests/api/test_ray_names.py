"""Names that programs written for Ray import: there, or refused with what to do instead."""

from __future__ import annotations

import importlib

import pytest

import pyray
from pyray.util import debug

ID_SIZES = {
    "UniqueID": 28,
    "NodeID": 28,
    "WorkerID": 28,
    "FunctionID": 28,
    "ActorClassID": 28,
    "ClusterID": 28,
    "PlacementGroupID": 18,
    "TaskID": 24,
    "ActorID": 16,
    "JobID": 4,
}


@pytest.mark.parametrize(("name", "size"), ID_SIZES.items())
def test_id_classes_have_rays_sizes_and_texts(name: str, size: int) -> None:
    kind = getattr(pyray, name)
    assert kind.size() == size
    assert kind.nil().is_nil()
    assert repr(kind.nil()) == f"{name}({'ff' * size})"
    assert kind.from_hex("01" * size).binary() == b"\x01" * size
    if name not in {"TaskID", "JobID"}:
        assert kind.from_random() != kind.from_random()


def test_modes_and_languages() -> None:
    assert (pyray.SCRIPT_MODE, pyray.WORKER_MODE, pyray.LOCAL_MODE) == (0, 1, 2)
    assert (pyray.SPILL_WORKER_MODE, pyray.RESTORE_WORKER_MODE) == (2, 3)
    assert pyray.Language.PYTHON != pyray.Language.JAVA
    assert pyray.ObjectID is pyray.ObjectRef
    assert importlib.import_module("pyray.types").ObjectRef is pyray.ObjectRef


def test_other_languages_are_refused_by_name() -> None:
    with pytest.raises(NotImplementedError, match=r"no workers in Java.*a\.B\.c"):
        pyray.java_function("a.B", "c")
    with pytest.raises(NotImplementedError, match=r"no workers in Java.*a\.B"):
        pyray.java_actor_class("a.B")
    with pytest.raises(NotImplementedError, match=r"no workers in C\+\+.*f"):
        pyray.cpp_function("f")
    with pytest.raises(NotImplementedError, match=r"C\+\+.*Counter"):
        pyray.cross_language.cpp_actor_class("make", "Counter")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("data", "Arrow"),
        ("serve", "web server"),
        ("show_in_dashboard", "metrics"),
        ("util.connect", "joins a session"),
        ("util.client", "joins a session"),
        ("util.nothing", "module 'pyray.util' has no attribute 'nothing'"),
        ("experimental.internal_kv", "named actor"),
    ],
)
def test_what_is_absent_is_refused_with_a_hint(name: str, hint: str) -> None:
    package, _, last = name.rpartition(".")
    module = importlib.import_module(f"pyray.{package}" if package else "pyray")
    with pytest.raises(AttributeError, match=hint):
        getattr(module, last)


def test_client_of_another_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="runs on one machine"):
        pyray.client("ray://host:10001")


def test_client_begins_a_session_with_what_it_was_given(ray_alone: None) -> None:
    del ray_alone
    pyray.shutdown()
    with pyray.client().namespace("mine").env({"env_vars": {"A": "1"}}).connect() as context:
        assert context.address_info
        assert pyray.get_runtime_context().namespace == "mine"
    assert not pyray.is_initialized()


def test_log_once_is_true_once() -> None:
    debug.reset_log_once("key")
    assert [pyray.util.log_once("key") for _ in range(3)] == [True, False, False]
    debug.reset_log_once("key")
    assert pyray.util.log_once("key")


def test_log_once_can_be_disabled_and_periodic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug, "_said", debug._Said())
    pyray.util.disable_log_once_globally()
    assert not pyray.util.log_once("key")
    pyray.util.enable_periodic_logging()
    assert [pyray.util.log_once("key") for _ in range(2)] == [True, False]
    monkeypatch.setattr(debug, "PERIOD_S", -1.0)
    assert [pyray.util.log_once("key") for _ in range(2)] == [True, True]


def test_the_machine_is_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    services = importlib.import_module("pyray._private.services")
    utils = importlib.import_module("pyray._private.utils")
    assert services.get_node_ip_address() == pyray.util.get_node_ip_address() == "127.0.0.1"
    assert utils.get_num_cpus() >= 1
    assert utils.get_system_memory() > 1 << 20
    monkeypatch.setenv("RAY_CLOUD_INSTANCE_ID", "i-1")
    assert pyray.util.get_node_instance_id() == "i-1"


def test_modules_of_util_are_found_without_an_import() -> None:
    assert pyray.util.accelerators.NVIDIA_TESLA_V100 == "V100"
    assert pyray.util.serialization.register_serializer is pyray.util.register_serializer
    assert pyray.util.rpdb.set_trace is pyray.util.pdb.set_trace
    assert pyray.util.annotations.PublicAPI(stability="beta")(_documented)() == 1
    assert _documented._annotated_type == "PublicAPI"  # type: ignore[attr-defined]


def _documented() -> int:
    return 1


def test_what_is_deprecated_warns_if_it_is_to() -> None:
    annotations = pyray.util.annotations

    @annotations.Deprecated(message="Use new().", warning=True)
    def old(n: int) -> int:
        return n + 1

    @annotations.Deprecated(warning=True)
    class Old:
        def __init__(self, n: int) -> None:
            self.n = n

    with pytest.warns(annotations.RayDeprecationWarning, match=r"old is deprecated .* Use new"):
        assert old(1) == 2
    with pytest.warns(annotations.RayDeprecationWarning, match="Old is deprecated"):
        assert Old(3).n == 3
    assert {old._annotated_type, Old._annotated_type} == {"Deprecated"}  # type: ignore[attr-defined]
    assert annotations.Deprecated(message="Quietly.")(_documented)() == 1
    assert annotations.Deprecated(_documented)() == 1
