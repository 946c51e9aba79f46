"""Programs that print the same under pyray and under Ray."""
