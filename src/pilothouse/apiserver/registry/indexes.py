"""The indexes that caches keep beside the namespace: those by which components of a cluster list and watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

INDEXES: dict[tuple[str, str], dict[str, Callable[[Any], str]]] = {
    ("", "pods"): {"spec.nodeName": lambda pod: pod.spec.nodeName},
}
"""(group, plural) -> selectable field -> its value. Each kubelet watches the pods of its node: without this, every change of
a pod would be held against the selector of every node."""
