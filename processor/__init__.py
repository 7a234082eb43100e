"""Session processor: shopping-session updates in, session snapshots out, exactly once."""

from importlib.metadata import version

__version__ = version("session-processor")
