"""Serializers of one's own, where Ray has them; see `pyray.errors.serializability`."""

from pyray.errors.serializability import deregister_serializer, register_serializer

__all__ = ["deregister_serializer", "register_serializer"]
