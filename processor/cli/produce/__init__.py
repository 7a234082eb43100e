"""The command that sends updates."""
