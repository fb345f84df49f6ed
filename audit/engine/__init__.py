"""Answer facts where the data is."""
