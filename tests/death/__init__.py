"""Deaths of workers, actors, drivers and supervisors, and what must be left of them: nothing."""
