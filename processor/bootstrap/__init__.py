"""The one place that wires: settings in, a running service out."""
