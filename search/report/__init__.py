"""Pages about studies: the report of one, and the comparison of several."""
