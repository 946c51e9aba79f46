"""Fixtures for the tests of the tools."""

from tests.api.conftest import gate

__all__ = ["gate"]
