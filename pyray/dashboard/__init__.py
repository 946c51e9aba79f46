"""The server of a session (`python -m pyray.dashboard`): jobs, and what Ray's clients ask."""
