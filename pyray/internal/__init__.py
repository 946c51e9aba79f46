"""`ray.internal`: what Ray keeps for those who know what they do."""

from pyray.internal.freeing import free

__all__ = ["free"]
