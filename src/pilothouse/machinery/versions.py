"""Names of API versions in the order of Kubernetes: v10, v2, v1, v11beta2, v10beta3, v3beta1, v12alpha1, and then all others by their text.

Upstream: apimachinery's pkg/version (CompareKubeAwareVersionStrings).
"""

from __future__ import annotations

import re

from pilothouse.machinery import strconv

VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
STABILITY = {None: 0, "beta": 1, "alpha": 2}
OTHER = 3

Order = tuple[int, int, int, str]


def order(name: str) -> Order:
    """Sort key of versions, preferred ones first."""
    matched = VERSION.fullmatch(name)
    if matched is None:
        return OTHER, 0, 0, name
    major, stability, minor = matched.groups()
    return STABILITY[stability], -_number(major), -_number(minor or ""), ""


def _number(digits: str) -> int:
    """A number of a version; one beyond 64 bits counts as the largest."""
    return (strconv.unsigned(digits) or strconv.UINT64.stop) if digits else 0
