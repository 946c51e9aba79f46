"""Python modules alone, without processes."""
