"""Checks of class balance: one file each."""
