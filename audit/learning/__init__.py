"""The loop: audit, clean, learn from the data before and after, evaluate, and say whether cleaning paid."""

from audit.learning.loop import Learned, learn

__all__ = ["Learned", "learn"]
