"""Numbers for the kinds of process that Ray's API tells apart."""

from typing import Final

SCRIPT_MODE: Final = 0
"""A driver."""
WORKER_MODE: Final = 1
"""A worker."""
LOCAL_MODE: Final = 2
"""A driver that runs its tasks itself: `init(local_mode=True)`."""
SPILL_WORKER_MODE: Final = 2
"""A worker that writes objects to files; here the process that needs the room does that."""
RESTORE_WORKER_MODE: Final = 3
"""A worker that reads them back; here the process that needs the object does that."""
