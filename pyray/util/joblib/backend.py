"""The backend: batches of calls become tasks, arrays in them are stored once for each `Parallel`.

Calls inside of calls use the same session: a task that waits for its own lends its CPU, so that
nested `n_jobs` neither deadlocks nor starts more work than there are CPUs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from joblib._parallel_backends import (
    AutoBatchingMixin,
    FallbackToBackend,
    SequentialBackend,
)
from joblib.parallel import ParallelBackendBase

from pyray import runtime
from pyray.node import session
from pyray.util.concurrent.futures import CallFuture
from pyray.util.multiprocessing.sender import Sender
from pyray.worker.execution import waiting


class RayBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # joblib has no types
    """See `pyray.util.joblib.register_ray`.

    Args:
        nesting_level: How many calls this one is inside of.
        inner_max_num_threads: Accepted; workers run numerical libraries with one thread.
        ray_remote_args: Options of the tasks, as for `@ray.remote`.
        **backend_kwargs: joblib's own.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = False
    uses_threads = False
    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        ray_remote_args: dict[str, Any] | None = None,
        **backend_kwargs: Any,
    ) -> None:
        super().__init__(
            nesting_level=nesting_level,
            inner_max_num_threads=inner_max_num_threads,
            **backend_kwargs,
        )
        self._options = ray_remote_args or {}
        self._sender: Sender | None = None
        self._calls = contextlib.ExitStack()
        self._pending: set[Any] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return RayBackend, (self.nesting_level, None, self._options)

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many calls run at a time; -1: one for each CPU of the session."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs > 0:
            return n_jobs
        cpus = int(runtime.engine().resources().get("CPU", (1.0, 1.0))[0])
        return max(cpus + 1 + n_jobs, 1)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        ray_remote_args: dict[str, Any] | None = None,
        **_memmapping_options: Any,
    ) -> int:
        """Prepare for one `Parallel`; a session is started if there is none."""
        del prefer, require
        session.ensure_session(n_jobs if n_jobs > 1 else None)
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self._sender = Sender(n_jobs, options=ray_remote_args or self._options)
        self.parallel = parallel
        return n_jobs

    def start_call(self) -> None:
        """Begin a call of `Parallel`: its arrays do not change until it ends."""
        if self._sender is not None:
            self._calls.enter_context(self._sender.arrays.one_call())

    def stop_call(self) -> None:
        """End a call of `Parallel`."""
        self._calls.close()
        if self._sender is not None:
            self._sender.arrays.clear()

    def submit(self, func: Any, callback: Callable[[Any], object] | None = None) -> CallFuture:
        """Send a batch of calls; `callback(future)` when it is done."""
        if self._sender is None:
            raise RuntimeError("The backend is not configured: it is used without a Parallel.")
        future = CallFuture(self._sender.call(func, (), {}))
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: CallFuture) -> Any:
        """Return the results of a batch."""
        return out.result()

    def terminate(self) -> None:
        """Let go of everything."""
        self._calls.close()
        if self._sender is not None:
            self._sender.clear()
            self._sender = None
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: FBT001, FBT002  (joblib's)
        """Cancel what is not done."""
        for future in list(self._pending):
            future.cancel()
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)

    def retrieval_context(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which a `Parallel` waits: inside of a task, its CPU is lent."""
        return waiting()

    def get_nested_backend(self) -> tuple[Any, int | None]:
        """Calls inside of calls go to the same session."""
        return RayBackend((self.nesting_level or 0) + 1, None, self._options), None
