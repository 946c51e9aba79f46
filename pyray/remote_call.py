"""What remote functions, actor classes and methods have in common."""

from __future__ import annotations

from typing import Any


class RemoteCallable:
    """Something with `.remote(...)` and `.options(...)`."""

    __slots__ = ()

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a call."""
        raise NotImplementedError

    def options(self, **options: Any) -> Any:
        """Return the same thing with other options."""
        raise NotImplementedError

    def _remote(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Submit with explicit arguments and options."""
        chosen = self.options(**options) if options else self
        return chosen.remote(*(args or ()), **(kwargs or {}))
