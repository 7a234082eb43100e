"""The schema registry: its client, what is remembered of its answers, and who waits for them."""
