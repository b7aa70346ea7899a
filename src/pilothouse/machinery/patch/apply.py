"""Field management of a request: server-side apply, and the record of plain writes (apimachinery's FieldManager).

- `apply` gives the object that a manager's configuration makes of what there is, `update` the record after a plain write. Values are plain
  dicts as JSON has them; the record is a list of ManagedFieldsEntry.
- An object without any record belongs to `before-first-apply` when it is applied first; plain updates leave it without.
- `kubectl` alone takes over what a client-side apply said last, and keeps that annotation up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
import orjson

from pilothouse.machinery import codec, metadata
from pilothouse.machinery.errors import bad_request, failure
from pilothouse.machinery.fieldset import Fields, compact
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.patch import document, typed, updater
from pilothouse.machinery.patch import manager as managers
from pilothouse.machinery.patch.comparing import Comparison, compare
from pilothouse.machinery.patch.manager import APPLY, CLEARED, UPDATE, Conflicts, Manager, Owned, Owners
from pilothouse.machinery.patch.updater import Map, Versions

BEFORE_FIRST = "before-first-apply"
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CURRENT = Manager("current-operation", UPDATE)
"""Stands for the manager of a plain update until it is known whether anything was changed."""
STRIPPED: Fields = frozenset({
    ("f:apiVersion",), ("f:kind",), ("f:metadata",), ("f:metadata", "f:name"), ("f:metadata", "f:namespace"),
    ("f:metadata", "f:creationTimestamp"), ("f:metadata", "f:selfLink"), ("f:metadata", "f:uid"), ("f:metadata", "f:clusterName"),
    ("f:metadata", "f:generation"), ("f:metadata", "f:managedFields"), ("f:metadata", "f:resourceVersion"),
})  # fmt: skip
"""Nobody owns these: they say which object it is, or the server sets them."""


class Writer(NamedTuple):
    """Manager, version, subresource and time of a write, with an empty object of the kind."""

    name: str
    versions: Versions
    version: str
    kind: tuple[str, str, str]
    """Group, version and kind of what is exchanged."""
    empty: Map
    time: str
    subresource: str = ""

    def manager(self, operation: str) -> Manager:
        """The field manager under which this writer's fields are recorded for `operation` (Apply or Update)."""
        return managers.manager(self.name, operation, self.version, self.subresource)


def record_of(live: Sequence[ManagedFieldsEntry], said: Sequence[ManagedFieldsEntry], *, subresource: str = "") -> Owners:
    """managedFields that a plain update starts from: the client's if valid, else the live object's.

    One empty entry drops the record. A subresource does not write it.
    """
    if not subresource and said and said is not live:
        if len(said) == 1 and said[0] == CLEARED:
            return {}
        try:
            return managers.decode(said)
        except ValueError:
            pass
    try:
        return managers.decode(live)
    except ValueError:
        return {}


def renewed(entries: Sequence[ManagedFieldsEntry], changes: Comparison, who: Manager, time: str) -> list[ManagedFieldsEntry] | None:
    """managedFields after an update that changes only fields that its manager already owns alone: only the time is new.

    None when it is not so. Most updates are (a status, a lease), and this way no set of fields is taken apart.
    """
    touched = changes.touched - STRIPPED
    if not touched or changes.removed - STRIPPED:
        return None
    mine = None
    for index, entry in enumerate(entries):
        if entry.apiVersion != who.api_version or entry.fieldsType != managers.FIELDS_TYPE:
            return None
        paths = managers.paths_of(entry)
        if touched <= paths and _is_of(entry, who):
            mine = index
        elif not touched.isdisjoint(paths):
            return None
    if mine is None:
        return None
    changed = [*entries]
    changed[mine] = msgspec.structs.replace(entries[mine], time=time)
    return sorted(changed, key=managers.entry_order) if len(changed) > 1 else changed


def _is_of(entry: ManagedFieldsEntry, who: Manager) -> bool:
    return (
        entry.operation == UPDATE
        and entry.manager == who.name
        and entry.apiVersion == who.api_version
        and entry.subresource == who.subresource
    )


def update(live: Map | None, new: Map, owners: Owners, writer: Writer, changes: Comparison | None = None) -> Owners:
    """The owners after a plain write; `live` None is a create. An object without a record stays without.

    `changes` is the difference of the two in the writer's version, where it is known already.
    """
    if live is not None and not owners:
        return owners
    before = writer.empty if live is None else live
    after = _stripped(updater.update(writer.versions, before, new, writer.version, owners, CURRENT, changes), CURRENT)
    mine = after.pop(CURRENT, None)
    if mine is not None:
        who = writer.manager(UPDATE)
        previous = after.pop(who, None)
        paths = mine.paths | previous.paths if previous is not None else mine.paths
        after[who] = Owned(paths, mine.api_version, writer.time)
    return managers.capped(after)


def _stripped(owners: Owners, who: Manager) -> Owners:
    owned = owners.get(who)
    if owned is None:
        return owners
    paths = owned.paths - STRIPPED
    if paths:
        return {**owners, who: replace(owned, paths=paths)}
    return {manager: value for manager, value in owners.items() if manager != who}


def apply(
    live: Map | None, record: Sequence[ManagedFieldsEntry], config: Map, writer: Writer, *, force: bool = False
) -> tuple[Map, list[ManagedFieldsEntry]]:
    """The object that a configuration makes of `live` (None: there is none), and its record.

    A 409 StatusError for conflicts; 400 or (where the schema is not met) 500 for a config that is none. No argument is changed.
    """
    check_kind(config, writer)
    try:
        owners = managers.decode(record)
    except ValueError as error:
        raise failure(500, "", f"failed to decode managed fields: {error}") from error
    base = writer.empty if live is None else live
    _check_config(config, writer)
    if text := typed.complaint(base, writer.versions.types[writer.version], allow_duplicates=True):
        raise failure(500, "", f"failed to create typed live object ({document.described(base)}): {text}")
    if not owners:
        owners = update(None, base, {}, writer._replace(name=BEFORE_FIRST))
    result, owners = _applied(base, owners, config, writer, force)
    if writer.name == KUBECTL:
        result = _with_last_applied(result, config)
    return result, managers.encode(owners)


def _applied(live: Map, owners: Owners, config: Map, writer: Writer, force: bool) -> tuple[Map, Owners]:
    who = writer.manager(APPLY)
    try:
        result, after = updater.apply(writer.versions, live, config, writer.version, owners, who, force=force)
    except Conflicts as error:
        if writer.name != KUBECTL:
            raise error.status() from error
        allowed = _last_applied(live, writer)
        left = error if allowed is None else error.outside(allowed)
        if left is not None:
            raise left.status() from error
        return _applied(live, owners, config, writer, True)
    after = _stripped(after, who)
    if typed.json_equal(result, live):
        return live, after
    if who in after:
        after[who] = replace(after[who], time=writer.time)
    return result, after


def check_kind(config: Map, writer: Writer) -> None:
    """Upstream's order: what kind it is, then its version, then the record that nobody may apply."""
    said = str(config.get("apiVersion") or ""), str(config.get("kind") or "")
    group, version, kind = writer.kind
    expected = f"{group}/{version}" if group else version
    if said != (expected, kind):
        raise bad_request(f"invalid object type: {said[0] if '/' in said[0] else f'/{said[0]}'}, Kind={said[1]}")


def _check_config(config: Map, writer: Writer) -> None:
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    if text := typed.complaint(config, writer.versions.types[writer.version]):
        raise failure(500, "", f"failed to create typed patch object ({document.described(config)}): {text}")


def _last_applied(live: Map, writer: Writer) -> Fields | None:
    """What a client-side `kubectl apply` said last, as far as it still is so; None when nothing is known of it.

    kubectl may take that over without force when it turns to the server's apply. What somebody has changed since is that one's.
    """
    text = _annotations(live).get(LAST_APPLIED)
    kind = writer.versions.types[writer.version]
    try:
        config = orjson.loads(text) if text else None
        if not isinstance(config, dict) or config.get("apiVersion") != writer.version or typed.complaint(config, kind):
            return None
        changes = compare(config, live, kind)
        return typed.field_set(config, kind) - changes.modified - changes.added - changes.removed
    except ValueError:
        return None


def _annotations(obj: Map) -> Map:
    return (obj.get("metadata") or {}).get("annotations") or {}


def _with_last_applied(result: Map, config: Map) -> Map:
    """The object with its annotation of a client-side apply, where it has one, renewed; dropped when it would be too large."""
    if not _annotations(result).get(LAST_APPLIED):
        return result
    said = codec.clone(config)
    metadata_said = said.get("metadata")
    if isinstance(metadata_said, dict) and isinstance(metadata_said.get("annotations"), dict):
        metadata_said["annotations"].pop(LAST_APPLIED, None)
    annotations = {**_annotations(result), LAST_APPLIED: compact(said) + "\n"}
    if sum(len(name.encode()) + len(str(value).encode()) for name, value in annotations.items()) > metadata.ANNOTATIONS_LIMIT:
        del annotations[LAST_APPLIED]
    return {**result, "metadata": {**result["metadata"], "annotations": annotations}}
