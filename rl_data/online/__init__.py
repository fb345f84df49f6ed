"""Learners that act in the environment: they make the policies by which behaviour data sets are recorded.

`q_learning` (a table), `dqn` (replay, target network) and `ppo` (clipped objective, GAE), on Gymnasium.
They are here to have data sets of known quality, not to compete with libraries for online learning.
"""
