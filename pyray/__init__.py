"""pyray: Ray's programming model on shared memory, for one machine."""

import importlib as _importlib
from typing import Any as _Any

from pyray import exceptions as exceptions
from pyray._core import ObjectRef as ObjectRef
from pyray.absent import reason as _reason
from pyray.actor_handle import ActorHandle as ActorHandle
from pyray.actor_methods import method as method
from pyray.actors import get_actor as get_actor
from pyray.as_ray import install_as_ray as install_as_ray
from pyray.calls import available_resources as available_resources
from pyray.calls import cancel as cancel
from pyray.calls import cluster_resources as cluster_resources
from pyray.calls import get as get
from pyray.calls import get_gpu_ids as get_gpu_ids
from pyray.calls import kill as kill
from pyray.calls import nodes as nodes
from pyray.calls import put as put
from pyray.calls import wait as wait
from pyray.client_builder import ClientBuilder as ClientBuilder
from pyray.client_builder import client as client
from pyray.creation import create_array as create_array
from pyray.creation import seal as seal
from pyray.cross_language import Language as Language
from pyray.cross_language import cpp_function as cpp_function
from pyray.cross_language import java_actor_class as java_actor_class
from pyray.cross_language import java_function as java_function
from pyray.decorator import remote as remote
from pyray.ids import ActorClassID as ActorClassID
from pyray.ids import ActorID as ActorID
from pyray.ids import ClusterID as ClusterID
from pyray.ids import FunctionID as FunctionID
from pyray.ids import JobID as JobID
from pyray.ids import NodeID as NodeID
from pyray.ids import PlacementGroupID as PlacementGroupID
from pyray.ids import TaskID as TaskID
from pyray.ids import UniqueID as UniqueID
from pyray.ids import WorkerID as WorkerID
from pyray.logging_config import LoggingConfig as LoggingConfig
from pyray.modes import LOCAL_MODE as LOCAL_MODE
from pyray.modes import RESTORE_WORKER_MODE as RESTORE_WORKER_MODE
from pyray.modes import SCRIPT_MODE as SCRIPT_MODE
from pyray.modes import SPILL_WORKER_MODE as SPILL_WORKER_MODE
from pyray.modes import WORKER_MODE as WORKER_MODE
from pyray.node.session import init as init
from pyray.node.session import is_initialized as is_initialized
from pyray.node.session import shutdown as shutdown
from pyray.observability.timeline import timeline as timeline
from pyray.runtime_context import get_runtime_context as get_runtime_context
from pyray.streams import DynamicObjectRefGenerator as DynamicObjectRefGenerator
from pyray.streams import ObjectRefGenerator as ObjectRefGenerator

__version__ = "0.1.0"

__all__ = [
    "LOCAL_MODE",
    "RESTORE_WORKER_MODE",
    "SCRIPT_MODE",
    "SPILL_WORKER_MODE",
    "WORKER_MODE",
    "ActorClassID",
    "ActorHandle",
    "ActorID",
    "ClientBuilder",
    "ClusterID",
    "DynamicObjectRefGenerator",
    "FunctionID",
    "JobID",
    "Language",
    "LoggingConfig",
    "NodeID",
    "ObjectRef",
    "ObjectRefGenerator",
    "PlacementGroupID",
    "TaskID",
    "UniqueID",
    "WorkerID",
    "available_resources",
    "cancel",
    "client",
    "cluster_resources",
    "cpp_function",
    "create_array",
    "exceptions",
    "get",
    "get_actor",
    "get_gpu_ids",
    "get_runtime_context",
    "init",
    "install_as_ray",
    "is_initialized",
    "java_actor_class",
    "java_function",
    "kill",
    "method",
    "nodes",
    "put",
    "remote",
    "seal",
    "shutdown",
    "timeline",
    "wait",
]

# In tracebacks, in `help()` and in pickles they have the names that users know.
for _member in [globals()[_name] for _name in __all__]:
    if getattr(_member, "__module__", "").startswith("pyray."):
        _member.__module__ = "pyray"
ActorHandle.__module__ = "pyray.actor"
del _member

_MODULES = {
    "actor",
    "client_builder",
    "cloudpickle",
    "cross_language",
    "dag",
    "exceptions",
    "experimental",
    "internal",
    "job_config",
    "remote_function",
    "runtime_context",
    "runtime_env",
    "types",
    "util",
}
"""What `ray.x` finds, as in Ray, without having been imported."""


def __getattr__(name: str) -> _Any:
    """Import a module when it is asked for first, so that others do not pay for it."""
    if name in _MODULES:
        return _importlib.import_module(f"{__name__}.{name}")
    if name == "ObjectID":  # its older name
        return ObjectRef
    raise AttributeError(_reason(name))
