"""Jobs and the server that runs them."""
