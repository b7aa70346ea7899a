"""Field ownership after an update, and server-side apply (structured-merge-diff's Updater).

- A set of fields is in the version in which it was recorded; the object is converted to it. Managers of versions that are gone are dropped.
- A plain update takes what it changes from all others. An apply that would change what others own is a conflict, unless forced; what its
  manager applied before and now leaves out goes, unless others own it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pilothouse.machinery.fieldset import NONE, Fields
from pilothouse.machinery.patch.comparing import Comparison, compare
from pilothouse.machinery.patch.manager import Conflicts, Manager, Owned, Owners
from pilothouse.machinery.patch.merging import merge
from pilothouse.machinery.patch.removing import reconciled, remove_items, with_named_fields
from pilothouse.machinery.patch.schema import Type
from pilothouse.machinery.patch.typed import ABSENT, field_set

Map = dict[str, Any]
Filter = Callable[[Fields], Fields]


def everything(paths: Fields) -> Fields:
    """Filter for an endpoint that resets no fields: gives all paths back."""
    return paths


def same_version(value: Map, source: str, target: str) -> Map:
    """Conversion for a kind with one version: gives the value back."""
    return value


@dataclass(frozen=True, slots=True)
class Versions:
    """A kind as its versions see it: their types, and (value, from, to) -> the value in another version.

    `reset_filter` leaves of a set of fields what an endpoint writes: what its strategy resets nobody owns through it.
    """

    types: Mapping[str, Type]
    convert: Callable[[Map, str, str], Map] = same_version
    reset_filter: Filter = everything


@dataclass(slots=True)
class Value:
    """An object, in each version that was asked for."""

    versions: Versions
    version: str
    value: Any
    _converted: dict[str, Any] = field(default_factory=dict)

    def at(self, version: str) -> Any:
        """The object in `version`; converted on the first call, then remembered. The result is shared: do not change it."""
        if version == self.version:
            return self.value
        if version not in self._converted:
            self._converted[version] = self.versions.convert(self.value, self.version, version)
        return self._converted[version]

    def fields(self, version: str) -> Fields:
        """All named fields in a version, with the declared ones that lead to them."""
        kind = self.versions.types[version]
        return with_named_fields(field_set(self.at(version), kind), kind)


def compared(versions: Versions, live: Map, new: Map, version: str) -> Comparison:
    """Changes among the fields that the endpoint writes."""
    return without_reset_fields(compare(live, new, versions.types[version]), versions.reset_filter)


def without_reset_fields(changes: Comparison, wanted: Filter) -> Comparison:
    """The changes to fields that an endpoint writes."""
    added, modified, removed = changes
    return Comparison(added and wanted(added), modified and wanted(modified), removed and wanted(removed))


def update(versions: Versions, live: Map, new: Map, version: str, owners: Owners, who: Manager, known: Comparison | None = None) -> Owners:
    """The owners after a plain update by `who`, from `live` to `new` (both in `version`).

    `who` comes to own what was added or modified, beside what it owns of the rest; its time is left to the caller.
    `known` is what changed in that version, if it has been compared.
    """
    owners = reconcile(versions, owners)
    changes = _Changes(versions, Value(versions, version, live), Value(versions, version, new))
    if known is not None:
        changes.known[version] = known
    owners = _handed_over(changes, owners, who, force=True)
    comparison = changes.at(version)
    before = owners.get(who, Owned(NONE, version))
    paths = versions.reset_filter((before.paths - comparison.removed) | comparison.touched)
    owners.pop(who, None)
    return {**owners, who: Owned(paths, version, before.time)} if paths else owners


def apply(versions: Versions, live: Map, config: Map, version: str, owners: Owners, who: Manager, *, force: bool) -> tuple[Map, Owners]:
    """The object and its owners after `who` has applied `config`. Raises Conflicts.

    Values of the result may be null where a list or map has lost all that it had.
    """
    owners = reconcile(versions, owners)
    kind = versions.types[version]
    merged = merge(live, config, kind)
    last = owners.pop(who, None)
    owners[who] = Owned(versions.reset_filter(field_set(config, kind)), version, last.time if last is not None else "")
    result = _prune(versions, Value(versions, version, {} if merged is ABSENT else merged), owners, last)
    changes = _Changes(versions, Value(versions, version, live), Value(versions, version, result))
    return result, _handed_over(changes, owners, who, force=force)


def reconcile(versions: Versions, owners: Owners) -> Owners:
    """The owners of versions that are known, fitted to what is atomic now."""
    renewed: Owners = {}
    for manager, owned in owners.items():
        kind = versions.types.get(owned.api_version)
        if kind is not None:
            paths = reconciled(owned.paths, kind)
            renewed[manager] = owned if paths == owned.paths else replace(owned, paths=paths)
    return renewed


@dataclass(slots=True)
class _Changes:
    """What a change changes, in each version that was asked for."""

    versions: Versions
    old: Value
    new: Value
    known: dict[str, Comparison] = field(default_factory=dict)

    def at(self, version: str) -> Comparison:
        comparison = self.known.get(version)
        if comparison is None:
            comparison = self.known[version] = compared(self.versions, self.old.at(version), self.new.at(version), version)
        return comparison


def _handed_over(changes: _Changes, owners: Owners, who: Manager, *, force: bool) -> Owners:
    """The owners without what others than `who` lose by a change. Raises Conflicts unless forced."""
    conflicts = {
        manager: lost
        for manager, owned in owners.items()
        if manager != who and (lost := owned.paths & changes.at(owned.api_version).touched)
    }
    if conflicts and not force:
        raise Conflicts(conflicts)
    kept: Owners = {}
    for manager, owned in owners.items():
        lost = NONE if manager == who else conflicts.get(manager, NONE) | (owned.paths & changes.at(owned.api_version).removed)
        if not lost and owned.paths:
            kept[manager] = owned
        elif lost != owned.paths:
            kept[manager] = replace(owned, paths=owned.paths - lost)
    return kept


def _prune(versions: Versions, merged: Value, owners: Owners, last: Owned | None) -> Map:
    """`merged` without what the applier owned last and nobody owns now."""
    result: Map = merged.value
    if last is None or not last.paths or last.api_version not in versions.types:
        return result
    version = last.api_version
    kind = versions.types[version]
    everything_last = with_named_fields(last.paths, kind)
    pruned = Value(versions, version, remove_items(merged.at(version), everything_last, kind))
    by_version: dict[str, Fields] = {}
    for owned in owners.values():
        by_version[owned.api_version] = by_version.get(owned.api_version, NONE) | owned.paths
    for other in sorted(by_version, key=lambda name: name != version):
        pruned = _with_owned(versions, merged, pruned, other, by_version[other])
    dangling = (merged.fields(version) - pruned.fields(version)) & everything_last
    result = Value(versions, version, remove_items(merged.at(version), dangling, kind)).at(merged.version)
    return result or {}


def _with_owned(versions: Versions, merged: Value, pruned: Value, version: str, owned: Fields) -> Value:
    """`pruned` with what is owned in a version put back."""
    if version not in versions.types:
        return pruned
    kind = versions.types[version]
    gone = merged.fields(version) - (pruned.fields(version) | with_named_fields(owned, kind))
    return Value(versions, version, remove_items(merged.at(version), gone, kind))
