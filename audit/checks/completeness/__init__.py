"""Checks of completeness: one file each."""
