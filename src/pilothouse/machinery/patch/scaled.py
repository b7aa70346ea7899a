"""The record of a Scale: which managers own the replica count of the object behind it (apimachinery's ScaleHandler).

A write to `/scale` meets the managers of the count and no others. What becomes of them goes back into the object's record, without
a time for who is new, as upstream has it. An updater is known by its version, too, which is the Scale's there: so whoever owned the count
by an update of the object comes back as one who is new, beside what is left of the old entry.

Where a version has the count is a map: entries of a version that it does not name are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.machinery.fieldset import Path
from pilothouse.machinery.patch.manager import UPDATE, Manager, Owned, Owners

Paths = Mapping[str, Path | None]

REPLICAS: Path = ("f:spec", "f:replicas")
"""Where a Scale has the count."""
SCALE_VERSION = "autoscaling/v1"


def to_scale(owners: Owners, replicas: Paths) -> Owners:
    """The record of the Scale of an object that has its count at `replicas`."""
    count = frozenset((REPLICAS,))
    result: Owners = {}
    for manager, owned in owners.items():
        path = replicas.get(owned.api_version)
        if path is not None and path in owned.paths:
            result[_of_scale(manager)] = replace(owned, paths=count, api_version=SCALE_VERSION)
    return result


def _of_scale(manager: Manager) -> Manager:
    return manager._replace(api_version=SCALE_VERSION) if manager.operation == UPDATE else manager


def to_parent(owners: Owners, replicas: Paths, api_version: str, scale: Owners) -> Owners:
    """The object's record after a write that left that of its Scale as `scale`."""
    remaining = {manager for manager, owned in scale.items() if REPLICAS in owned.paths}
    result: Owners = {}
    for manager, owned in owners.items():
        if owned.api_version not in replicas:
            continue
        path = replicas[owned.api_version]
        if path is None or path not in owned.paths:
            result[manager] = owned
        elif manager in scale:
            result[manager] = owned
            remaining.discard(manager)
        elif paths := owned.paths - {path}:
            result[manager] = replace(owned, paths=paths)
    path = replicas.get(api_version)
    for manager in remaining:
        before = owners.get(manager)
        result[manager] = Owned(frozenset((path,) if path else ()), api_version, before.time if before is not None else "")
    return result
