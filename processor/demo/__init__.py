"""A realistic, seeded stream of updates: what `demo`, the benchmark and the tests fold."""
