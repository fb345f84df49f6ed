"""Draw a result: HTML and the other formats."""
