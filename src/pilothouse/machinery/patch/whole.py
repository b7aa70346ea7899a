"""Whole ownership: managedFields that tell who made an object, or writes its status, without naming each of the fields.

- `{".": {}}` in an Update entry is the object as a whole, `{"f:status": {}}` its status as a whole; a field that another entry names
  is that entry's, and the status goes before the object.
- Upstream names every field from the first write on, which costs more than the write itself. Here fields are named when it
  matters: when somebody applies the object, or another than the owner of the whole changes something of it.
- Upstream's parsers read both forms as sets of fields; they find nothing below them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.machinery import fieldset
from pilothouse.machinery.fieldset import Path
from pilothouse.machinery.patch.manager import UPDATE, Manager, Owners

OBJECT: Path = ()
STATUS: Path = ("f:status",)
WHOLES = frozenset((OBJECT, STATUS))


def whole_of(manager: Manager) -> Path | None:
    """What a manager comes to own as a whole: by the object's own endpoint all of it, by that of the status the status."""
    return {"": OBJECT, "status": STATUS}.get(manager.subresource) if manager.operation == UPDATE else None


def owns_whole(manager: Manager, paths: frozenset[Path], whole: Path) -> bool:
    return manager.operation == UPDATE and whole in paths


def spelled_out(owners: Owners, live: Iterable[Path], *wholes: Path) -> Owners:
    """The owners with these wholes replaced by the fields of the `live` object that nobody else names."""
    live = [path for path in live if path not in fieldset.ANONYMOUS]
    named = frozenset[Path]().union(*owners.values()) - WHOLES
    status_is_owned = any(owns_whole(one, paths, STATUS) for one, paths in owners.items())
    found: Owners = {}
    for one, paths in owners.items():
        if OBJECT in wholes and owns_whole(one, paths, OBJECT):
            rest = {path for path in live if not (status_is_owned and path[:1] == STATUS)}
            paths = paths - {OBJECT} | (rest - named)
        if STATUS in wholes and owns_whole(one, paths, STATUS):
            paths = paths - {STATUS} | ({path for path in live if path[:1] == STATUS} - named)
        found[one] = paths
    return found


def changed_by(owners: Owners, manager: Manager, old: Iterable[Path], touched: frozenset[Path], gone: frozenset[Path]) -> Owners:
    """The owners after a plain update that added or changed `touched` and removed `gone` of the object with the fields `old`.

    Who writes the status is its owner as a whole as long as it is owned so: writers that take turns each find the other's named.
    """
    touched = touched - WHOLES
    whole = whole_of(manager)
    same = next((one for one in owners if one.identity == manager.identity), None)
    if whole == STATUS and (same is None or not owns_whole(same, owners[same], STATUS)):
        taken = any(owns_whole(one, paths, STATUS) for one, paths in owners.items())
        if taken or all(paths <= WHOLES for paths in owners.values()):
            owners = spelled_out(owners, old, STATUS)
            mine = owners.get(same, frozenset()) if same is not None else frozenset()
            owners = {one: paths for one, paths in owners.items() if one is not same}
            same, owners = manager, {**owners, manager: frozenset(path for path in mine if path[:1] != STATUS) | {STATUS}}
    kept = {one: paths - touched - (gone - WHOLES) for one, paths in owners.items()}
    if touched or gone:
        mine = kept.pop(same) if same is not None else frozenset()
        covered = whole if whole is not None and whole in mine else None
        kept[manager] = mine | frozenset(path for path in touched if covered is None or path[: len(covered)] != covered)
    return {one: paths for one, paths in kept.items() if paths}
