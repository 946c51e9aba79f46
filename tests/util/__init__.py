"""Tests of the tools on top of the API: pyray.util."""
