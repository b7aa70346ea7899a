"""Server-side apply: a manager says what it wants of an object, and owns just that.

- Lists merge by the types that the structs declare (atomic, set, map); what a manager no longer says goes, unless another
  manager says it too.
- A value that another manager owns is a conflict (409), unless the new value is the same or `force` takes it over.
- What plain updates own as a whole (whole.py) is named field by field from the first apply on. Of an object without any record
  what is there belongs to `before-first-apply`, as upstream has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pilothouse.machinery import codec, fieldset, strict
from pilothouse.machinery.errors import StatusError, bad_request, failure
from pilothouse.machinery.fieldset import Path
from pilothouse.machinery.meta_v1 import StatusCause, StatusDetails
from pilothouse.machinery.patch import typed
from pilothouse.machinery.patch.manager import UPDATE, Manager, Map, Owners, entries, owners_of
from pilothouse.machinery.patch.whole import OBJECT, changed_by, spelled_out
from pilothouse.machinery.patch.whole import STATUS as WHOLE_STATUS
from pilothouse.machinery.shape import OPEN, Shape, shape_of

BEFORE_FIRST = "before-first-apply"
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
STATUS: Path = ("f:status",)
SPEC: Path = ("f:spec",)


def apply(current: Map | None, config: Map, type: type[Any], manager: Manager, *, force: bool = False) -> Map:
    """The object that the manager's `config` makes of `current` (None: there is none), with its new managedFields.

    A 409 StatusError for conflicts, 400 or (where the schema is not met) 500 for a config that is none. Neither argument is changed.
    """
    shape = shape_of(type)
    _check(config, type, shape)
    without = reset_fields(manager.subresource)
    try:
        wanted = fieldset.owned(config, shape, without)
        live = codec.clone(current) if current is not None else {}
        owners = owners_of(live)
        if current is not None and not owners:
            before = fieldset.owned(live, shape, (STATUS,))
            owners = {Manager(BEFORE_FIRST, UPDATE, manager.api_version, time=manager.time): before}
        before_values = fieldset.leaves(live, shape)
        owners = spelled_out(owners, before_values, OBJECT, WHOLE_STATUS)
        merged = merge(codec.clone(live), _writable(config, without), shape)
        owners, last = _replaced(owners, manager, wanted)
        _prune(merged, shape, last - wanted, owners)
        after_values = fieldset.leaves(merged, shape)
    except ValueError as error:
        raise _untyped(config, str(error)) from error
    free = _last_applied(live, before_values, shape) if manager.name == KUBECTL else frozenset()
    owners = _settled(owners, manager, changed(before_values, after_values), before_values.keys() - after_values.keys(), free, force)
    merged.setdefault("metadata", {})["managedFields"] = entries(owners)
    return merged


def track_update(before: Map, after: Map, type: type[Any], manager: Manager) -> list[Map]:
    """The managedFields of an object that was changed by a plain update; empty for one without any record."""
    owners = owners_of(before)
    if not owners:
        return []
    shape = shape_of(type)
    try:
        old, new = fieldset.leaves(before, shape), fieldset.leaves(after, shape)
    except ValueError:
        return entries(owners)
    touched = frozenset(path for path in changed(old, new) if path not in fieldset.ANONYMOUS)
    return entries(changed_by(owners, manager, old, touched, frozenset(old.keys() - new.keys())))


def reset_fields(subresource: str) -> tuple[Path, ...]:
    """What an endpoint does not write, and nobody comes to own through it."""
    return (SPEC,) if subresource == "status" else (STATUS,)


def _check(config: Map, type: type[Any], shape: Shape) -> None:
    """Upstream's order: the version, the record that nobody may apply, then all that the schema does not know."""
    group, version, kind = getattr(type, "GVK", ("", "", ""))
    expected = f"{group}/{version}" if group else version
    said = config.get("apiVersion") or ""
    if kind and said != expected:
        raise bad_request(f"Incorrect version specified in apply patch. Specified patch version: {said}, expected: {expected}")
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    if not config.get("kind"):
        raise _untyped(config, f"no corresponding type for {said}, Kind=")
    if text := typed.complaint(config, shape) or strict.type_error(config, shape):
        raise _untyped(config, text)


def _untyped(config: Map, text: str) -> StatusError:
    """A configuration that is none of its type: upstream answers 500 without a reason, and clients know the text."""
    api_version, metadata = str(config.get("apiVersion") or ""), config.get("metadata")
    name, namespace = (metadata.get(one) or "" for one in ("name", "namespace")) if isinstance(metadata, dict) else ("", "")
    which = f"{namespace}/{name}; {api_version if '/' in api_version else f'/{api_version}'}, Kind={config.get('kind') or ''}"
    return failure(500, "", f"failed to create typed patch object ({which}): {text}")


def _writable(config: Map, without: Iterable[Path]) -> Map:
    hidden = {path[0].removeprefix("f:") for path in without}
    return {name: value for name, value in config.items() if name not in hidden}


def _last_applied(live: Map, values: Mapping[Path, Any], shape: Shape) -> frozenset[Path]:
    """What a client-side `kubectl apply` said last, as far as it still is so: kubectl may take that over without force when it turns
    to the server's. What somebody has changed since is that one's."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED, "")
    try:
        config = codec.parse(text.encode()) if text else {}
        said = fieldset.leaves(config, shape) if isinstance(config, dict) else {}
    except ValueError:
        return frozenset()
    return frozenset(path for path, value in said.items() if path in values and values[path] == value)


def _replaced(owners: Owners, manager: Manager, wanted: frozenset[Path]) -> tuple[Owners, frozenset[Path]]:
    """The owners with the manager's new fields, and what it owned last. Unchanged ownership keeps its time."""
    same = next((one for one in owners if one.identity == manager.identity), None)
    last = owners[same] if same is not None else frozenset()
    rest = {one: paths for one, paths in owners.items() if one is not same}
    rest[same if same is not None and last == wanted else manager] = wanted
    return rest, last


def changed(before: Mapping[Path, Any], after: Mapping[Path, Any]) -> frozenset[Path]:
    """What was added or has another value."""
    absent = object()
    return frozenset(path for path, value in after.items() if before.get(path, absent) != value)


def _settled(
    owners: Owners, manager: Manager, touched: frozenset[Path], gone: Iterable[Path], free: frozenset[Path], force: bool
) -> Owners:
    """The owners after the change; 409 where others own what was touched and is not `free`, unless forced."""
    others = {one: paths & touched for one, paths in owners.items() if one.identity != manager.identity}
    conflicts = {one: paths for one, paths in others.items() if paths}
    contested = {one: paths - free for one, paths in conflicts.items() if paths - free}
    if contested and not force:
        raise conflict(contested)
    lost = frozenset(gone)
    return {one: paths - (conflicts.get(one, frozenset()) | lost) if one in others else paths for one, paths in owners.items()}


def conflict(conflicts: Mapping[Manager, frozenset[Path]]) -> StatusError:
    """409 in upstream's words."""
    pairs = [(one, path) for one in sorted(conflicts, key=str) for path in sorted(conflicts[one])]
    causes = [StatusCause(reason="FieldManagerConflict", message=f"conflict with {one}", field=fieldset.shown(path)) for one, path in pairs]
    if len(pairs) == 1:
        text = f"Apply failed with 1 conflict: conflict with {pairs[0][0]}: {fieldset.shown(pairs[0][1])}"
    else:
        lines: list[str] = []
        for one in sorted(conflicts, key=str):
            lines += [f"conflicts with {one}:", *(f"- {fieldset.shown(path)}" for path in sorted(conflicts[one]))]
        text = f"Apply failed with {len(pairs)} conflicts: " + "\n".join(lines)
    return failure(409, "Conflict", text, StatusDetails(causes=causes))


def merge(live: Map, config: Map, shape: Shape) -> Map:
    """`config` merged into `live`, which is changed; null in it means: not said."""
    for name, value in config.items():
        if value is None:
            continue
        kind, keys = fieldset.merging_of(shape, name, value)
        below = shape.fields.get(name) or shape.item or OPEN
        current = live.get(name)
        if isinstance(value, dict) and kind != "atomic":
            live[name] = merge(current if isinstance(current, dict) else {}, value, below)
        elif isinstance(value, list) and kind in ("set", "map"):
            live[name] = _merge_list(current if isinstance(current, list) else [], value, kind, keys, below.item or OPEN)
        else:
            live[name] = codec.clone(value) if isinstance(value, (dict, list)) else value
    return live


def _merge_list(live: list[Any], config: list[Any], kind: str, keys: tuple[str, ...], item: Shape) -> list[Any]:
    """Items of the config in its order where they are new or moved; those only the live list has keep their place."""
    places = {fieldset.item_element(one, kind, keys): one for one in live}
    wanted = {fieldset.item_element(one, kind, keys): one for one in config}
    if len(wanted) != len(config):
        raise ValueError("duplicate entries for key in a list of the applied configuration")
    merged = {element: merge(dict(places.get(element, {})), one, item) if kind == "map" else one for element, one in wanted.items()}
    result: list[Any] = []
    pending = iter(merged)
    for element, one in places.items():
        if element not in merged:
            result.append(one)
        else:
            following = next(pending)
            result.append(merged[following])
    result.extend(merged[element] for element in pending)
    return result


def _prune(merged: Map, shape: Shape, dropped: frozenset[Path], owners: Owners) -> None:
    """Remove what the manager no longer says and nobody else does, then what that left empty."""
    held = set().union(*owners.values()) if owners else set()
    prefixes = {path[:length] for path in held for length in range(1, len(path) + 1)}
    for path in sorted(dropped, key=len):  # an item before what is in it: its keys are needed to find it
        for length in range(len(path), 0, -1):
            shorter = path[:length]
            if shorter in prefixes or not _remove(merged, shape, shorter, only_empty=length < len(path)):
                break


def _remove(obj: Any, shape: Shape, path: Path, *, only_empty: bool) -> bool:
    """Remove the field or item at `path`; whether it is gone."""
    node, kind, merging = obj, shape, ("granular", ())
    for element in path[:-1]:
        node, kind, merging = _child(node, kind, merging, element)
        if node is None:
            return False
    last = path[-1]
    found, _, _ = _child(node, kind, merging, last)
    if found is None or (only_empty and found not in ({}, [])):
        return found is None
    if isinstance(node, list):
        node[:] = [one for one in node if fieldset.item_element(one, *merging) != last]
    else:
        del node[last.removeprefix("f:")]
    return True


def _child(node: Any, kind: Shape, merging: tuple[str, tuple[str, ...]], element: str) -> tuple[Any, Shape, Any]:
    """One step down: the value (None when it is not there), its shape, and how its own items merge."""
    if isinstance(node, list):
        found = next((one for one in node if fieldset.item_element(one, *merging) == element), None)
        return found, kind.item or OPEN, ("granular", ())
    name = element.removeprefix("f:")
    if not isinstance(node, dict) or name not in node:
        return None, OPEN, ("granular", ())
    below = kind.fields.get(name) or kind.item or OPEN
    return node[name], below, fieldset.merging_of(kind, name, node[name])
