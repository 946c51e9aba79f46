"""The public API, one file for each name or subject."""
