"""Checks of freshness: one file each."""
