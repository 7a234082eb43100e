"""Deterministic simulation of whole services (docs/testing.md)."""
