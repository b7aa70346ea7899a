"""The record of a Scale: which managers own the replica count of the object behind it (apimachinery's ScaleHandler).

A write to `/scale` meets the managers of the count and no others. What becomes of them goes back into the object's record, without
a time for who is new, as upstream has it.
"""

from __future__ import annotations

from dataclasses import replace

from pilothouse.machinery.fieldset import Path
from pilothouse.machinery.patch.manager import Owned, Owners

REPLICAS: Path = ("f:spec", "f:replicas")
"""Where a Scale has the count."""
SCALE_VERSION = "autoscaling/v1"


def to_scale(owners: Owners, replicas: Path) -> Owners:
    """The record of the Scale of an object that has its count at `replicas`."""
    count = frozenset((REPLICAS,))
    return {manager: replace(owned, paths=count, api_version=SCALE_VERSION) for manager, owned in owners.items() if replicas in owned.paths}


def to_parent(owners: Owners, replicas: Path, api_version: str, scale: Owners) -> Owners:
    """The object's record after a write that left that of its Scale as `scale`."""
    remaining = {manager: owned for manager, owned in scale.items() if REPLICAS in owned.paths}
    renamed: Owners = {}
    for manager, owned in owners.items():
        paths = owned.paths
        if replicas in paths and manager not in remaining:
            paths = paths - {replicas}
        if paths:
            renamed[manager] = replace(owned, paths=paths)
        if replicas in paths:
            remaining.pop(manager, None)
    for manager in remaining:
        before = owners.get(manager)
        renamed[manager] = Owned(frozenset((replicas,)), api_version, before.time if before is not None else "")
    return renamed
