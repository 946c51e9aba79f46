"""`multiprocessing.Pool` on the workers of a session: same methods, arrays shared, not copied."""

from multiprocessing import JoinableQueue as JoinableQueue
from multiprocessing import TimeoutError as TimeoutError  # noqa: A004  (the module's name)

from pyray.util.multiprocessing.pool import Pool as Pool

__all__ = ["JoinableQueue", "Pool", "TimeoutError"]
