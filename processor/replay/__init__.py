"""Replays: what is folded again, from which state, and what of it differs. Pure."""
