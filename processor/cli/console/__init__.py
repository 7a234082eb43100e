"""`console`: the pages, and what they ask with."""
