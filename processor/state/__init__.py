"""What ties Redis to the log: checkpoints, restore, claims, the record cache."""
