"""Failures of cluster commands, with messages for the user."""

from __future__ import annotations


class ClusterFailure(Exception):
    """`problem` says what is wrong, `remedy` what to do about it."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
