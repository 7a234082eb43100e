"""Session processor: shopping-session updates in, session snapshots out, exactly once."""

__version__ = "0.1.0"
