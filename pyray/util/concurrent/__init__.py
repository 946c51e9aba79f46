"""Executors with the interface of the standard library's `concurrent`."""
