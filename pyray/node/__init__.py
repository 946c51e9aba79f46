"""The processes of a session: driver, supervisor, and those who join; where they meet."""
