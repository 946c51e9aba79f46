"""Tests of pyray; README.md says how to run them."""
