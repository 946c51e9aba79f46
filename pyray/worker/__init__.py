"""What runs in a worker: tasks, actors, their output, breakpoints."""
