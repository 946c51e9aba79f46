"""Tests of graphs: pyray.dag."""
