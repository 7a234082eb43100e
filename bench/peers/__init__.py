"""Other ways to do the same job, measured beside the session processor."""
