"""`ray.client(address).connect()`: Ray's older way to say `ray.init(address)`."""

from __future__ import annotations

from typing import Any, Self

from pyray.node.session import RayContext, init

__all__ = ["ClientBuilder", "ClientContext", "client"]


ClientContext = RayContext
"""Ray's name here for what `init` returns: a `with` statement leaves the session."""


class ClientBuilder:
    """What to connect to, and with what.

    Args:
        address: As for `init`; None or "local": a session that there is, else a new one.

    Raises:
        ValueError: If the address is on another machine ("ray://...").

    Example:
        >>> import pyray as ray
        >>> with ray.client("local").namespace("mine").connect():
        ...     ray.get_runtime_context().namespace
        'mine'
    """

    def __init__(self, address: str | None) -> None:
        if address is not None and address.startswith("ray://"):
            raise ValueError(
                f"pyray has no client for {address!r}: it runs on one machine. "
                "ray.init(address=...) joins a session of this machine."
            )
        self._arguments: dict[str, Any] = {}
        if address not in {None, "", "local"}:
            self._arguments["address"] = address

    def env(self, env: dict[str, Any]) -> Self:
        """Set the runtime environment of the job."""
        self._arguments["runtime_env"] = env
        return self

    def namespace(self, namespace: str) -> Self:
        """Set the name space of the job's named actors."""
        self._arguments["namespace"] = namespace
        return self

    def connect(self) -> ClientContext:
        """Begin or join the session."""
        return init(**self._arguments)


def client(address: str | None = None, _deprecation_warn_enabled: bool = True) -> ClientBuilder:  # noqa: FBT001, FBT002  (Ray's signature)
    """Return a builder of a connection; see `ClientBuilder`."""
    del _deprecation_warn_enabled
    return ClientBuilder(address)
