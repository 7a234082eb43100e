"""Erasing persons: which sessions name them, what is sent, and what stays where for how long."""
