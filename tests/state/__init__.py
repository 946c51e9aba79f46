"""Tests of looking at a session: state, memory, timeline."""
