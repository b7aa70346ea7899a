"""The record of who owns an object's replica count, as its Scale has it: an apply to `/scale` meets those owners and no others.

What upstream's ScaleHandler does: the entries that name the count are lent to the Scale, and what becomes of them there is taken back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pilothouse.machinery import codec, fieldset
from pilothouse.machinery.fieldset import Path
from pilothouse.machinery.patch.manager import Manager, Map, Owners, entries, owners_of
from pilothouse.machinery.patch.whole import OBJECT, STATUS, spelled_out
from pilothouse.machinery.shape import shape_of

REPLICAS: Path = ("f:spec", "f:replicas")
"""Where a Scale has the count."""
SCALE_VERSION = "autoscaling/v1"


def lent(obj: Any, replicas: Path) -> list[Map]:
    """The managedFields of the Scale of an object that has its count at `replicas`."""
    owners = _owners(obj)
    return entries({replace(one, api_version=SCALE_VERSION): frozenset((REPLICAS,)) for one, paths in owners.items() if replicas in paths})


def taken_back(obj: Any, replicas: Path, api_version: str, said: list[Map]) -> list[Map]:
    """The object's managedFields after an apply that left those of its Scale as `said`."""
    scaling = {_who(one): one for one, paths in owners_of({"metadata": {"managedFields": said}}).items() if REPLICAS in paths}
    found: Owners = {}
    for one, paths in _owners(obj).items():
        if replicas in paths and scaling.pop(_who(one), None) is None:
            paths = paths - {replicas}
        found[one] = paths
    for one in scaling.values():
        found[replace(one, api_version=api_version)] = frozenset((replicas,))
    return entries(found)


def _owners(obj: Any) -> Owners:
    live = codec.to_dict(obj)
    return spelled_out(owners_of(live), fieldset.leaves(live, shape_of(type(obj))), OBJECT, STATUS)


def _who(manager: Manager) -> tuple[str, str, str]:
    return manager.name, manager.operation, manager.subresource
