"""How failures become the exceptions that users see, and what is said in them."""
