"""Field sets of `metadata.managedFields` (structured-merge-diff's fieldpath).

- A path is a tuple of elements as FieldsV1 writes them: `f:name` (a field or a map key), `k:{"name":"a"}` (an item of a list of
  type map by its keys), `v:"x"` (an item of a set), `i:0` (an index). A set is a frozenset of paths.
- Owning a path says nothing of what is below it: `parse` and `encode` keep the two apart by `.`.
- `parse` and `encode` remember what they did last: objects of one template have equal sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from pilothouse.kit.remember import remember
from pilothouse.machinery import strconv
from pilothouse.machinery.quoting import go_quoted

Path = tuple[str, ...]
Fields = frozenset[Path]
NONE: Fields = frozenset()
SETS_REMEMBERED = 512
LONGEST_SET_REMEMBERED = 16384
ELEMENTS_REMEMBERED = 8192
HTML = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))
"""What Go's encoder writes of the characters that it escapes."""


def compact(value: Any) -> str:
    """A value as Go's JSON encoder writes it, keys sorted."""
    return escaped(orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode())


def escaped(text: str) -> str:
    """JSON text with the escapes that Go's encoder adds for HTML."""
    for character, escape in HTML:
        if character in text:
            text = text.replace(character, escape)
    return text


@remember(ELEMENTS_REMEMBERED)
def name_element(name: str, value: str) -> str:
    """The element of a list item whose only key is `name` with a text in it."""
    return f"k:{compact({name: value})}"


@remember(ELEMENTS_REMEMBERED)
def canonical(element: str) -> str | None:
    """An element of a record that was written elsewhere, in our own form; None for a kind that is unknown (upstream drops it).

    ValueError when it is no element.
    """
    if len(element) < 2:
        raise ValueError("key must be 2 characters long:")
    if element[1] != ":":
        raise ValueError(f"missing colon: {element}")
    match element[0]:
        case "f":
            return element
        case "v":
            return f"v:{compact(orjson.loads(element[2:]))}"
        case "k":
            keys = orjson.loads(element[2:])
            if not isinstance(keys, dict):
                raise ValueError(f"no keys: {element}")
            return f"k:{compact(keys)}"
        case "i":
            return f"i:{strconv.atoi(element[2:])}"
    return None


@remember(ELEMENTS_REMEMBERED)
def order(element: str) -> tuple[Any, ...]:
    """Sort key of an element: fields, then items by keys (numbers as numbers), then values, then indexes."""
    text = element[2:]
    match element[0]:
        case "f":
            return 0, text
        case "k":
            return 1, tuple((name, _value_order(value)) for name, value in orjson.loads(text).items())
        case "v":
            return 2, _value_order(orjson.loads(text))
    return 3, strconv.atoi(text)


def _value_order(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, compact(value))


def path_order(path: Path) -> tuple[Any, ...]:
    """Sort key of a path in FieldsV1."""
    return tuple(map(order, path))


def iteration_order(paths: Iterable[Path]) -> list[Path]:
    """Paths in the order in which upstream iterates a set: members of a level first, then children."""
    return sorted(paths, key=lambda path: [*((1, order(element)) for element in path[:-1]), (0, order(path[-1]))])


@lru_cache(maxsize=SETS_REMEMBERED)
def encode(paths: Fields) -> bytes:
    """The FieldsV1 of a set."""
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for element in path:
            below = node.get(element)
            if below is None:
                below = node[element] = {}
            node = below
        node["."] = True
    return dump(_sorted(tree))


def dump(tree: Mapping[str, Any]) -> bytes:
    """A tree of elements as the JSON of a FieldsV1."""
    return escaped(orjson.dumps(tree).decode()).encode()


def _sorted(node: dict[str, Any]) -> dict[str, Any]:
    """The node in upstream's order; one that is a member says so where it has others below it."""
    is_member = node.pop(".", False)
    if not node:
        return {}
    names = sorted(node)
    if names[0][0] != "f" or names[-1][0] != "f":
        names.sort(key=order)
    members: dict[str, Any] = {".": {}} if is_member else {}
    for name in names:
        members[name] = _sorted(node[name])
    return members


@remember(SETS_REMEMBERED, LONGEST_SET_REMEMBERED)
def parse(fields: bytes) -> Fields:
    """The set of a FieldsV1 (b"" and `null` are empty); ValueError when it is none."""
    paths: list[Path] = []
    _read(orjson.loads(fields) if fields else None, (), paths)
    return frozenset(paths)


def _read(node: Any, path: Path, paths: list[Path]) -> None:
    node = {} if node is None else node
    if not isinstance(node, dict):
        raise ValueError("a set of fields is made of objects")
    is_leaf = True
    for key, child in node.items():
        element = None if key == "." else canonical(key)
        if element is not None:
            is_leaf = False
            _read(child, (*path, element), paths)
    if path and (is_leaf or "." in node):
        paths.append(path)


class Tree:
    """A field set as a tree: `members` are elements in the set, `children` the trees below elements."""

    __slots__ = ("children", "members")

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self.members: set[str] = set()
        self.children: dict[str, Tree] = {}
        for path in paths:
            node = self
            for element in path[:-1]:
                below = node.children.get(element)
                if below is None:
                    below = node.children[element] = Tree()
                node = below
            node.members.add(path[-1])


def without(paths: Fields, prefixes: Iterable[Path]) -> Fields:
    """The paths that neither are one of `prefixes` nor below one."""
    excluded = tuple(prefixes)
    if not paths or not excluded:
        return paths
    heads = {prefix[0] for prefix in excluded if prefix}
    if heads.isdisjoint([path[0] for path in paths]):
        return paths
    return frozenset(path for path in paths if not any(path[: len(prefix)] == prefix for prefix in excluded))


def matching(paths: Fields, patterns: Iterable[Path]) -> Fields:
    """The paths that are at or below one of `patterns`, or on the way to one; `*` in a pattern is any element."""
    return frozenset(path for path in paths if any(_matches(path, pattern) for pattern in patterns))


def _matches(path: Path, pattern: Path) -> bool:
    return all(wanted in ("*", element) for element, wanted in zip(path, pattern, strict=False))


def path_text(path: Path) -> str:
    """A path as messages print it: `.spec.containers[name="a"].image`."""
    return "".join(map(shown_element, path))


@remember(ELEMENTS_REMEMBERED)
def shown_element(element: str) -> str:
    """An element of a path as messages print it.

    `f:name` as `.name`, `k:{"name":"a"}` as `[name="a"]`, `v:1` as `[=1]`, `i:0` as `[0]`. As fieldpath's PathElement.String.
    """
    kind, rest = element[0], element[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "v":
        return f"[={_shown_value(orjson.loads(rest))}]"
    if kind == "i":
        return f"[{rest}]"
    return f"[{','.join(f'{key}={_shown_value(value)}' for key, value in orjson.loads(rest).items())}]"


def _shown_value(value: Any) -> str:
    return go_quoted(value) if isinstance(value, str) else compact(value)
