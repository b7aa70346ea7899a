"""Lists that a client says are empty: of fields that are written though they are empty, so that who says so owns the list.

Objects keep no difference between an empty list and none.

Only lists that are reached without going through another list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pilothouse.machinery.patch.json import steps_of

Path = tuple[str, ...]


def said(document: Any, zero: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of the empty lists of a document; `zero` is an object of its type, in which nothing is set."""
    for name, child in document.items() if isinstance(document, dict) else ():
        if not hasattr(zero, name):
            continue
        at_zero = getattr(zero, name)
        if child == [] and at_zero is None and isinstance(child, list):
            yield (*path, name)
        elif isinstance(at_zero, msgspec.Struct):
            yield from said(child, at_zero, (*path, name))


def patched(patch: Any, made: Any) -> tuple[Path, ...]:
    """Paths of the lists that a patch has made empty, or left so: `made` is its outcome. `patch` is that of a merge, or operations."""
    if not isinstance(made, msgspec.Struct):
        return ()
    zero = type(made)()
    documents = _of_operations(patch) if isinstance(patch, list) else iter((patch,))
    paths = dict.fromkeys(path for document in documents for path in said(document, zero))
    return tuple(path for path in paths if not _at(made, path))


def _of_operations(operations: list[Any]) -> Iterator[Any]:
    """What each operation of a JSON patch writes, as a document."""
    for operation in operations:
        if not isinstance(operation, dict) or operation.get("op") not in ("add", "replace"):
            continue
        document = operation.get("value")
        for step in reversed(steps_of(str(operation.get("path")))):
            document = {step: document}
        yield document


def _at(obj: Any, path: Path) -> Any:
    for name in path:
        obj = getattr(obj, name, None)
    return obj
