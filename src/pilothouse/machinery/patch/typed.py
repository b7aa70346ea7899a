"""Whether an applied configuration fits its type: server-side apply knows no field that the schema does not declare.

Complaints are those of upstream's structured merge, each after its path. What has no type of its own there (quantities, times, ports
that may be names) is taken as it comes: the decoder judges it later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.machinery import fieldset, shape
from pilothouse.machinery.patch.document import go_text
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.shape import OPEN, Shape

Merging = tuple[str, tuple[str, ...]]
GRANULAR: Merging = ("granular", ())


def complaint(config: Any, kind: Shape) -> str:
    """All that is wrong with a configuration, as one text; "" when it fits."""
    found = [f"{path}: {text}" if path else text for path, text in _struct(config, kind, "")]
    return found[0] if len(found) == 1 else "\n  ".join(["errors:", *found]) if found else ""


def _value(value: Any, kind: Shape, merging: Merging, path: str) -> Iterator[tuple[str, str]]:
    if value is None or kind.time:
        return
    if kind.kind == shape.STRUCT:
        yield from _struct(value, kind, path)
    elif kind.kind == shape.LIST:
        yield from _list(value, kind.item or OPEN, merging, path)
    elif kind.kind == shape.MAP:
        yield from _map(value, kind.item or OPEN, path)
    elif kind.kind == shape.STRING and not isinstance(value, str):
        yield path, f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    elif kind.kind == shape.BOOLEAN and not isinstance(value, bool):
        yield path, f"expected boolean, got &{{{go_text(value)}}}"
    elif kind.kind in (shape.INTEGER, shape.NUMBER) and (isinstance(value, bool) or not isinstance(value, (int, float))):
        yield path, f"expected numeric (int or float), got {_go_type(value)}"


def _struct(value: Any, kind: Shape, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield path, f"expected map, got &{{{go_text(value)}}}"
        return
    for name, child in value.items():
        field = kind.fields.get(name)
        if field is None and kind.kind == shape.STRUCT:
            yield f"{path}.{name}", "field not declared in schema"
        else:
            yield from _value(child, field or OPEN, fieldset.merging_of(kind, name, child), f"{path}.{name}")


def _map(value: Any, item: Shape, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield path, f"expected map, got &{{{go_text(value)}}}"
        return
    for name, child in value.items():
        yield from _value(child, item, GRANULAR, f"{path}.{name}")


def _list(value: Any, item: Shape, merging: Merging, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list):
        yield path, f"expected list, got &{{{go_text(value)}}}"
        return
    kind, keys = merging
    seen = set()
    for index, child in enumerate(value):
        element = f"[{index}]"
        if kind in ("set", "map"):
            try:
                element = fieldset.shown((fieldset.item_element(child, kind, keys),))
            except ValueError as error:
                yield path, f"element {index}: {error}"
                continue
            if element in seen:
                yield path, f"duplicate entries for key {element}"
            seen.add(element)
        yield from _value(child, item, GRANULAR, path + element)


def _go_syntax(value: Any) -> str:
    """A value as Go's %#v prints what JSON was read into."""
    if isinstance(value, str):
        return go_quoted(value)
    if isinstance(value, dict):
        members = ", ".join(f"{go_quoted(name)}:{_go_syntax(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{members}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    return go_text(value)


def _go_type(value: Any) -> str:
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return "bool" if isinstance(value, bool) else "string"
