"""What the processor needs from the outside, as obligations; each has one contract suite."""
