"""Random work under random deaths."""
