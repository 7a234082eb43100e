"""The commands that read sessions."""
