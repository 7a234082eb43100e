"""Committed offsets: what is wrong with them, and their repair."""
