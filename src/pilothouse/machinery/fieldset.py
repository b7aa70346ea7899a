"""Sets of fields: who owns what of an object, as `metadata.managedFields` records it.

- A path is a tuple of elements as FieldsV1 writes them: `f:name`, `k:{"name":"a"}` (an item of a map list by its keys),
  `v:"x"` (an item of a set).
- Atomic lists and maps are one field, whatever is in them; so is everything whose type is not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pilothouse.machinery import shape
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.shape import OPEN, Shape

Path = tuple[str, ...]
KEY_DEFAULTS = {"protocol": "TCP"}
"""What a key of a map list is when an item leaves it out."""
ANONYMOUS = frozenset((
    ("f:apiVersion",), ("f:kind",), ("f:metadata",), ("f:metadata", "f:name"), ("f:metadata", "f:namespace"),
    ("f:metadata", "f:creationTimestamp"), ("f:metadata", "f:selfLink"), ("f:metadata", "f:uid"), ("f:metadata", "f:generation"),
    ("f:metadata", "f:managedFields"), ("f:metadata", "f:resourceVersion"), ("f:metadata", "f:deletionTimestamp"),
    ("f:metadata", "f:deletionGracePeriodSeconds"),
))  # fmt: skip
"""Nobody owns these: they say which object it is, or the server sets them."""


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def list_type(parent: Shape, name: str) -> tuple[str, tuple[str, ...]]:
    """How a field merges: atomic, set, map (with its keys), or granular for maps and structs."""
    kind, keys = parent.lists.get(name, ("", ()))
    field = parent.fields.get(name)
    if kind:
        return kind, keys
    return ("atomic" if field is not None and field.kind == shape.LIST else "granular"), ()


def item_element(item: Any, kind: str, keys: Iterable[str]) -> str:
    """The path element of an item of a set or a map list; ValueError when a key is missing."""
    if kind == "set":
        if isinstance(item, (dict, list)) or item is None:
            raise ValueError(f"associative list without keys has an element that's {'an explicit null' if item is None else 'a map type'}")
        return f"v:{compact(item)}"
    if not isinstance(item, Mapping):
        raise ValueError(f"associative list with keys may not have {'a null element' if item is None else 'non-map elements'}")
    found = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in keys}
    if all(value is None for value in found.values()):
        names = " ".join(map(go_quoted, keys))
        text = f"associative list with keys has an element that omits all key fields [{names}]"
        raise ValueError(f"{text} (and doesn't have default values for any key fields)")
    return f"k:{compact({key: value for key, value in found.items() if value is not None})}"


def leaves(value: Any, kind: Shape) -> dict[Path, Any]:
    """Every field of an object with its value; items of lists and empty maps are there, too (with None)."""
    return dict(_walk(value, kind, (), "granular", ()))


def _walk(value: Any, kind: Shape, path: Path, merging: str, keys: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and merging != "atomic":
        if not value and path:
            yield path, None
        for name, child in value.items():
            below = kind.fields.get(name) or kind.item or OPEN
            yield from _walk(child, below, (*path, f"f:{name}"), *merging_of(kind, name, child))
    elif isinstance(value, list) and merging in ("set", "map"):
        if not value:
            yield path, None
        for item in value:
            element = (*path, item_element(item, merging, keys))
            yield element, item if merging == "set" else None
            if merging == "map":
                yield from _walk(item, kind.item or OPEN, element, "granular", ())
    else:
        yield path, value


def merging_of(kind: Shape, name: str, child: Any) -> tuple[str, tuple[str, ...]]:
    if kind.kind == shape.STRUCT:
        return list_type(kind, name)
    return ("atomic" if isinstance(child, list) else "granular"), ()


def owned(value: Any, kind: Shape, without: Iterable[Path] = ()) -> frozenset[Path]:
    """The fields that who says `value` owns. `without` are prefixes that the endpoint does not write (`status`)."""
    prefixes = tuple(without)
    return frozenset(path for path in leaves(value, kind) if path not in ANONYMOUS and not any(path[: len(one)] == one for one in prefixes))


def to_fields(paths: Iterable[Path]) -> dict[str, Any]:
    """FieldsV1: a tree, in which `.` marks a path that has others below it and is owned itself."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    _trim(tree)
    return tree


def _trim(node: dict[str, Any]) -> None:
    for child in node.values():
        if list(child) == ["."]:
            child.clear()
        else:
            _trim(child)


def from_fields(fields: Mapping[str, Any]) -> frozenset[Path]:
    """The paths of a FieldsV1."""
    return frozenset(_paths(fields, ()))


def _paths(node: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for element, child in node.items():
        if element == ".":
            yield path
        elif not child or not isinstance(child, Mapping):  # what is no tree owns what it stands at
            yield (*path, element)
        else:
            yield from _paths(child, (*path, element))


def shown(path: Path) -> str:
    """A path as messages print it: `.spec.containers[name="a"].image`."""
    return "".join(_shown_element(one) for one in path)


def _shown_element(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "v":
        return f"[={rest}]"
    return f"[{','.join(f'{key}={compact(value)}' for key, value in json.loads(rest).items())}]"
