"""Values as upstream's internal types print: in field errors that show a whole struct, and in differences between two specs.

The internal types have Go's field names, an order of their own, and every field: "" and 0 and false for plain values, null for pointers,
lists and maps that are not there. Their fields are in `internal_types.tsv` (tools/generate_internal_types.py).
"""

from __future__ import annotations

import difflib
import functools
import json
from importlib import resources
from typing import Any

import msgspec

from pilothouse.machinery import codec
from pilothouse.machinery.said_empty import is_said

Fields = tuple[tuple[str, str], ...]
RENAMED = {
    "deprecatedserviceaccount": "serviceaccount", "datadiskuri": "diskuri", "endpointsname": "endpoints",
    "discoverychapauth": "chapauthdiscovery", "sessionchapauth": "chapauthsession",
    "cephmonitors": "monitors", "rbdimage": "image", "rbdpool": "pool", "radosuser": "user",
    "intvalue": "int", "boolvalue": "bool", "stringvalue": "string", "versionvalue": "version",
    "intvalues": "ints", "boolvalues": "bools", "stringvalues": "strings", "versionvalues": "versions",
}  # fmt: skip
"""Internal names, in lower case, of fields that are called otherwise in the versions."""
META_ORDER = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip
ZEROS: dict[str, Any] = {"s": "", "i": 0, "b": False, "q": "0", "n": 0, "t": None, "v": None}


@functools.cache
def _types() -> dict[str, Fields]:
    text = resources.files("pilothouse.api").joinpath("internal_types.tsv").read_text()
    types: dict[str, Fields] = {}
    for line in text.splitlines():
        name, *fields = line.split("\t")
        types[name] = tuple((field.partition(":")[0], field.partition(":")[2]) for field in fields)
    return types


def internal(value: Any, kind: str) -> msgspec.Raw:
    """JSON of a value in its internal form, for a field error. `kind` as in `plain`."""
    return msgspec.Raw(json.dumps(plain(value, kind), ensure_ascii=False, separators=(",", ":")).encode())


def plain(value: Any, kind: str) -> Any:
    """A struct of some version as plain data with the internal type's names. `kind`: `group.Type`, before it perhaps `[]`, `{}` or `*`."""
    if kind.startswith("*"):
        return None if value is None else plain(value, kind[1:])
    if kind.startswith("[]"):
        return [plain(item, kind[2:]) for item in value] if is_said(value) else None
    if kind.startswith("{}"):
        return {key: plain(value[key], kind[2:]) for key in sorted(value)} if is_said(value) else None
    if kind in ZEROS:
        if value is None or (value == "" and kind != "n"):
            return ZEROS[kind]
        if isinstance(value, msgspec.Raw):
            return json.loads(bytes(value) or b"null")
        return str(value) if kind == "q" else msgspec.to_builtins(value)
    return _struct(value, kind)


def _struct(value: Any, kind: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    values = _by_folded_name(value)
    for name, inner in _types()[kind]:
        if inner == "m":
            meta = json.loads(codec.encode(values.get("metadata")) or b"null") or {}
            shown |= {name: meta[name] for name in META_ORDER if name in meta}
        elif not name and "." in inner:
            shown |= _struct(value, inner)
        else:
            key = name.lower()
            shown[name] = plain(values.get(RENAMED.get(key, key)), inner)
    return shown


def _by_folded_name(value: Any) -> dict[str, Any]:
    """Field name in lower case to value: the two forms of a type differ in the case of their names only. None for "" that says nothing."""
    if value is None:
        return {}
    pairs = zip(type(value).__struct_encode_fields__, type(value).__struct_fields__, strict=True)
    kind: Any = type(value)
    plain_texts = _plain_texts(kind)
    values = {name.lower(): (attribute, getattr(value, attribute)) for name, attribute in pairs}
    return {name: None if said == "" and attribute in plain_texts else said for name, (attribute, said) in values.items()}


@functools.cache
def _plain_texts(kind: type[Any]) -> frozenset[str]:
    """The fields of a struct of which "" is the same as nothing; a pointer's "" was said."""
    empty = kind()
    return frozenset(name for name in kind.__struct_fields__ if getattr(empty, name) == "")


def difference(old: Any, new: Any, kind: str) -> str:
    """A unified diff of two values in their internal form, as upstream's util/diff writes it."""
    before, after = (json.dumps(plain(value, kind), indent=1, ensure_ascii=False).splitlines() for value in (old, new))
    # A last line without an end of its own gets one, and so an empty line follows it in the text.
    lines = [f"{line}\n" for line in before], [f"{line}\n" for line in after]
    return "".join(line for line in difflib.unified_diff(*lines, n=3) if not line.startswith(("--- ", "+++ ")))
