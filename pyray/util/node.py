"""The machine that this process runs on: there is no other."""

from __future__ import annotations

from typing import Final

from pyray import settings

__all__ = ["get_node_instance_id", "get_node_ip_address"]

ADDRESS: Final = "127.0.0.1"


def get_node_ip_address(address: str | None = None) -> str:
    """Return the address that processes of this machine reach each other at.

    Args:
        address: Accepted, as in Ray; nothing is asked of it.

    Example:
        >>> get_node_ip_address()
        '127.0.0.1'
    """
    del address
    return ADDRESS


def get_node_instance_id() -> str:
    """Return what a cloud calls this machine: the variable RAY_CLOUD_INSTANCE_ID, "" if unset."""
    return settings.CLOUD_INSTANCE_ID.text()
