"""Checks of correlation: one file each."""
