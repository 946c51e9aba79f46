"""What a session has and does: lists, single things and summaries. See `pyray.util.state.api`."""

from pyray.util.state.api import StateApiClient as StateApiClient
from pyray.util.state.api import get_actor as get_actor
from pyray.util.state.api import get_job as get_job
from pyray.util.state.api import get_log as get_log
from pyray.util.state.api import get_node as get_node
from pyray.util.state.api import get_objects as get_objects
from pyray.util.state.api import get_placement_group as get_placement_group
from pyray.util.state.api import get_task as get_task
from pyray.util.state.api import get_worker as get_worker
from pyray.util.state.api import list_actors as list_actors
from pyray.util.state.api import list_jobs as list_jobs
from pyray.util.state.api import list_logs as list_logs
from pyray.util.state.api import list_nodes as list_nodes
from pyray.util.state.api import list_objects as list_objects
from pyray.util.state.api import list_placement_groups as list_placement_groups
from pyray.util.state.api import list_runtime_envs as list_runtime_envs
from pyray.util.state.api import list_tasks as list_tasks
from pyray.util.state.api import list_workers as list_workers
from pyray.util.state.api import summarize_actors as summarize_actors
from pyray.util.state.api import summarize_objects as summarize_objects
from pyray.util.state.api import summarize_tasks as summarize_tasks

__all__ = [
    "StateApiClient",
    "get_actor",
    "get_job",
    "get_log",
    "get_node",
    "get_objects",
    "get_placement_group",
    "get_task",
    "get_worker",
    "list_actors",
    "list_jobs",
    "list_logs",
    "list_nodes",
    "list_objects",
    "list_placement_groups",
    "list_runtime_envs",
    "list_tasks",
    "list_workers",
    "summarize_actors",
    "summarize_objects",
    "summarize_tasks",
]
