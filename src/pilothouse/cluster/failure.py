"""What goes wrong with a cluster as a whole, in words for whoever typed the command."""

from __future__ import annotations


class ClusterFailure(Exception):
    """`problem` says what is wrong, `remedy` what to do about it."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
