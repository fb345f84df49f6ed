"""Trajectories, learners and their evaluation. It knows nothing of `audit`."""
