"""`ray._private.services`."""

from __future__ import annotations

from pyray.util.node import get_node_ip_address as own_address

__all__ = ["get_node_ip_address"]


def get_node_ip_address(address: str = "8.8.8.8:53") -> str:
    """Return the address of this machine; nothing is asked of `address`."""
    del address
    return own_address()
