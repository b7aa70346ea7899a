"""Field managers and what each owns: `metadata.managedFields` as a map (apimachinery's managedfields).

- A manager is a name, an operation, a version and a subresource; of an Apply the version does not count, so that each time it is the same.
- `decode` reads a record, ValueError when it is none; `encode` writes it in upstream's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from pilothouse.machinery import fieldset
from pilothouse.machinery.errors import StatusError, failure
from pilothouse.machinery.fieldset import Fields, Path
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry, StatusCause, StatusDetails
from pilothouse.machinery.struct import FieldsV1

APPLY, UPDATE = "Apply", "Update"
FIELDS_TYPE = "FieldsV1"
UNKNOWN = "unknown"
ANCIENT = "ancient-changes"
UPDATERS_LIMIT = 10
"""Upstream's bound of Update entries: the oldest beyond become one a version, of `ancient-changes`."""
RAWS_REMEMBERED = 1024
CLEARED: Final = ManagedFieldsEntry()
"""An empty entry: a record of just this drops the record."""


class Manager(NamedTuple):
    """A field manager. `api_version` is "" for an Apply."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    @property
    def identifier(self) -> str:
        """The key that upstream sorts managers by."""
        parts = {"manager": self.name, "operation": self.operation, "apiVersion": self.api_version, "subresource": self.subresource}
        return orjson.dumps({name: value for name, value in parts.items() if value}).decode()

    def __str__(self) -> str:
        text = f'"{self.name}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


def manager(name: str, operation: str, api_version: str, subresource: str = "") -> Manager:
    """The manager of a request."""
    return Manager(name or UNKNOWN, operation, "" if operation == APPLY else api_version, subresource)


@dataclass(frozen=True, slots=True)
class Owned:
    """The fields of one manager, in the version in which they were recorded, and when they were last changed."""

    paths: Fields
    api_version: str
    time: str = ""


Owners = dict[Manager, Owned]


def decode(entries: Iterable[ManagedFieldsEntry]) -> Owners:
    """The record as a map; ValueError when an entry is none."""
    owners: Owners = {}
    for index, entry in enumerate(entries):
        if entry.operation not in (APPLY, UPDATE):
            raise ValueError("operation must be `Apply` or `Update`")
        if not entry.apiVersion:
            raise ValueError("apiVersion must not be empty")
        if not entry.fieldsType:
            raise ValueError(f"missing fieldsType in managed fields entry {index}")
        if entry.fieldsType != FIELDS_TYPE:
            raise ValueError(f'invalid fieldsType "{entry.fieldsType}" in managed fields entry {index}')
        version = "" if entry.operation == APPLY else entry.apiVersion
        owner = Manager(entry.manager, entry.operation, version, entry.subresource)
        owners[owner] = Owned(fieldset.parse(bytes(entry.fieldsV1)), entry.apiVersion, entry.time)
    return owners


def encode(owners: Mapping[Manager, Owned]) -> list[ManagedFieldsEntry]:
    """managedFields: those of applies first, then by time, name, version and subresource."""
    entries = [entry(owner, owned.api_version, fieldset.encode(owned.paths), owned.time) for owner, owned in owners.items()]
    return sorted(entries, key=entry_order)


def entry(owner: Manager, api_version: str, fields: bytes, time: str) -> ManagedFieldsEntry:
    """An entry of `metadata.managedFields`; `fields` is FieldsV1 as JSON, `time` an RFC 3339 text."""
    return ManagedFieldsEntry(
        apiVersion=api_version,
        fieldsType=FIELDS_TYPE,
        fieldsV1=interned(fields),
        manager=owner.name,
        operation=owner.operation,
        subresource=owner.subresource,
        time=time,
    )


def entry_order(entry: ManagedFieldsEntry) -> tuple[str, ...]:
    """Sort key of entries of `metadata.managedFields`: operation, time, manager, version, subresource.

    As apimachinery's sortEncodedManagedFields.
    """
    return entry.operation, entry.time, entry.manager, entry.apiVersion, entry.subresource


_raws: dict[bytes, FieldsV1] = {}
_paths: dict[int, tuple[FieldsV1, Fields]] = {}
"""Sets by the identity of their bytes, which are kept alive as long: most objects of a kind share them."""


def interned(fields: bytes) -> FieldsV1:
    """The bytes of a FieldsV1, shared by all objects that have the same."""
    raw = _raws.get(fields)
    if raw is None:
        if len(_raws) >= RAWS_REMEMBERED:
            _raws.clear()
        raw = _raws[fields] = FieldsV1(fields)
    return raw


def shared(raw: FieldsV1) -> FieldsV1:
    """The same FieldsV1, shared by all objects that have the same, and no part of a request's body."""
    return raw if id(raw) in _paths or not raw else interned(bytes(raw))


def paths_of(entry: ManagedFieldsEntry) -> Fields:
    """The set of fields of an entry of a committed object; ValueError when it has none."""
    raw = entry.fieldsV1
    known = _paths.get(id(raw))
    if known is not None:
        return known[1]
    paths = fieldset.parse(bytes(raw))
    if len(raw) <= fieldset.LONGEST_SET_REMEMBERED:
        if len(_paths) >= RAWS_REMEMBERED:
            _paths.clear()
        _paths[id(raw)] = raw, paths
    return paths


def capped(owners: Owners) -> Owners:
    """The owners with the oldest updates beyond the limit merged into one a version."""
    updaters = sorted(
        (manager for manager in owners if manager.operation == UPDATE), key=lambda manager: (owners[manager].time, manager.identifier)
    )
    count, first = len(updaters), dict[str, Manager]()
    if count <= UPDATERS_LIMIT:
        return owners
    kept = dict(owners)
    for updater in updaters:
        if count <= UPDATERS_LIMIT:
            break
        owned = kept[updater]
        oldest = first.setdefault(owned.api_version, updater)
        if oldest is updater:
            continue
        bucket = Manager(ANCIENT, UPDATE, owned.api_version)
        if bucket not in kept:
            kept[bucket] = kept.pop(oldest)
        kept[bucket] = Owned(owned.paths | kept[bucket].paths, owned.api_version, owned.time)
        if updater != bucket:
            del kept[updater]
        count -= 1
    return kept


class Conflicts(Exception):
    """Conflicts of an apply with fields of other managers. `status` is the answer to the client."""

    def __init__(self, conflicts: Mapping[Manager, Fields]) -> None:
        self.conflicts = {manager: conflicts[manager] for manager in sorted(conflicts, key=lambda manager: manager.identifier)}
        super().__init__(str(self.status()))

    def status(self) -> StatusError:
        """409 in upstream's words."""
        pairs = [(manager, path) for manager, paths in self.conflicts.items() for path in fieldset.iteration_order(paths)]
        causes = [
            StatusCause(reason="FieldManagerConflict", message=f"conflict with {manager}", field=fieldset.path_text(path))
            for manager, path in pairs
        ]
        return failure(409, "Conflict", _conflict_text(pairs), StatusDetails(causes=causes))

    def outside(self, allowed: Fields) -> Conflicts | None:
        """The conflicts over other fields than `allowed`; None when there are none."""
        left = {manager: paths - allowed for manager, paths in self.conflicts.items() if paths - allowed}
        return Conflicts(left) if left else None


def _conflict_text(pairs: list[tuple[Manager, Path]]) -> str:
    if len(pairs) == 1:
        return f"Apply failed with 1 conflict: conflict with {pairs[0][0]}: {fieldset.path_text(pairs[0][1])}"
    lines: list[str] = []
    last = None
    for manager, path in pairs:
        if manager != last:
            lines.append(f"conflicts with {manager}:")
        last = manager
        lines.append(f"- {fieldset.path_text(path)}")
    return f"Apply failed with {len(pairs)} conflicts: " + "\n".join(lines)
