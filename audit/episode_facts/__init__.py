"""The vocabulary of facts about trajectories: what a check may ask, and what it gets back, one module a subject.

As in `audit.facts`: a fact is a small frozen dataclass, equal facts are computed once, and the docstring of a fact
names the type of its answer. Answers about steps are arrays with one entry a step, in the order in which the
trajectories were read; answers about episodes have one entry an episode. Arrays are shared between checks: read only.

`audit.engine.episodes` holds, under the same module names, how the answers are computed.
"""
