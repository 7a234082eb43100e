"""Dead letters: what they say, which are chosen, and how they go back to the input."""
