"""Repairing trajectories: typed repairs, each tied to a finding, made by default only where nothing is guessed."""

from audit.cleaning.run import Cleaned, clean

__all__ = ["Cleaned", "clean"]
