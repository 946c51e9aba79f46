"""Sessions that others find and join."""
