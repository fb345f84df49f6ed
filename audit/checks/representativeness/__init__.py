"""Checks of representativeness: one file each."""
