"""Metrics: cells that processes write, the files they lie in, and their export."""
