"""Checks of label accuracy: one file each."""
