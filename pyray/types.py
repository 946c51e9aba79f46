"""Types for annotations, where Ray has them."""

from pyray._core import ObjectRef

__all__ = ["ObjectRef"]
