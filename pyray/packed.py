"""What tools that move many values need of the core."""

from pyray._core import PICKLING_ERRORS, PackedList, place_items

__all__ = ["PICKLING_ERRORS", "PackedList", "place_items"]
