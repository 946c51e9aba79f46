"""Local mode: the engine's seam, implemented in the driver's own process."""
