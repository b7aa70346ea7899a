"""Who owns fields of an object, and the record of it: `metadata.managedFields` as a map from managers to sets of fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pilothouse.machinery import fieldset
from pilothouse.machinery.fieldset import Path

APPLY, UPDATE = "Apply", "Update"
ANCIENT = "ancient-changes"
UPDATERS_LIMIT = 10
"""Upstream's bound of Update entries: the oldest beyond become one, of `ancient-changes`."""

Map = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manager:
    """Name, operation (Apply or Update), in which version and through which subresource, and when."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""
    time: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Two entries of one identity are one manager. (For an Apply the version does not matter.)"""
        return self.name, self.operation, "" if self.operation == APPLY else self.api_version, self.subresource

    def __str__(self) -> str:
        text = f'"{self.name}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        if self.operation == APPLY:
            return text
        return f"{text} using {self.api_version}" + (f" at {self.time}" if self.time else "")


Owners = dict[Manager, frozenset[Path]]


def owners_of(obj: Map) -> Owners:
    found: Owners = {}
    for entry in (obj.get("metadata") or {}).get("managedFields") or ():
        manager = Manager(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
            entry.get("time", ""),
        )
        found[manager] = fieldset.from_fields(entry.get("fieldsV1") or {})
    return found


def entries(owners: Mapping[Manager, frozenset[Path]]) -> list[Map]:
    """managedFields: those of applies first, then by time and name, as upstream sorts them."""
    owners = _capped({one: paths for one, paths in owners.items() if paths})
    return [_entry(one, owners[one]) for one in sorted(owners, key=order)]


def order(manager: Manager) -> tuple[str, ...]:
    return manager.operation, manager.time, manager.name, manager.api_version, manager.subresource


def _capped(owners: Owners) -> Owners:
    updaters = sorted((one for one in owners if one.operation == UPDATE), key=order)
    if len(updaters) <= UPDATERS_LIMIT:
        return owners
    kept = {one: paths for one, paths in owners.items() if one.operation != UPDATE}
    merged: Owners = {}
    while len(updaters) + len(merged) > UPDATERS_LIMIT and updaters:
        oldest = updaters.pop(0)
        same = next((one for one in merged if one.api_version == oldest.api_version), None)
        before = merged.pop(same) if same is not None else frozenset()
        merged[replace(oldest, name=ANCIENT, subresource="")] = before | owners[oldest]
    return kept | merged | {one: owners[one] for one in updaters}


def _entry(manager: Manager, paths: frozenset[Path]) -> Map:
    entry: Map = {"manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version}
    if manager.time:
        entry["time"] = manager.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": fieldset.to_fields(paths)}
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry
