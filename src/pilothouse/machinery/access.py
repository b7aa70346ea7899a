"""Metadata, spec and status of any object, whether a generated struct or an Unstructured; its copy and its JSON.

Code that works on every kind reaches an object's parts through here and knows neither form.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from pilothouse.machinery.codec import clone as clone
from pilothouse.machinery.codec import encode as encode
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.unstructured import Unstructured

T = TypeVar("T")


def metadata(obj: Any) -> ObjectMeta:
    """The object's metadata, itself: who changes it changes the object."""
    meta: ObjectMeta = obj.metadata
    return meta


def gvk(obj: Any) -> tuple[str, str, str]:
    """Group, version and kind of an object or of a class of objects."""
    gvk: tuple[str, str, str] = obj.GVK
    return gvk


def field(obj: Any, name: str) -> Any:
    """A top-level field (`metadata`, `spec`, `status`, `data`); None where the object has none."""
    return obj.content.get(name) if isinstance(obj, Unstructured) and name != "metadata" else getattr(obj, name, None)


def status(obj: Any) -> Any:
    """The object's status; None where it has none."""
    return field(obj, "status")


def set_field(obj: Any, name: str, value: Any) -> None:
    """Set a top-level field; None takes it away."""
    if not isinstance(obj, Unstructured):
        setattr(obj, name, value)
    elif value is None:
        obj.content.pop(name, None)
    else:
        obj.content[name] = value


def clear_status(obj: Any) -> None:
    """Give the object the status of a new one."""
    if isinstance(obj, Unstructured):
        obj.content.pop("status", None)
    else:
        obj.status = _new_status(type(obj))


def _new_status(kind: Any) -> Any:
    """The status of a new object of a kind; made by itself where it is a struct in which nothing is set."""
    blank = _blank_status(kind)
    return kind().status if blank is None else blank()


@cache
def _blank_status(kind: Any) -> type[Any] | None:
    status = kind().status
    return type(status) if isinstance(status, msgspec.Struct) and type(status)() == status else None


def with_parts(obj: T, **parts: Any) -> T:
    """A copy with other top-level fields (`metadata=`, `status=`); everything else is shared."""
    if not isinstance(obj, Unstructured):
        return msgspec.structs.replace(obj, **parts)  # type: ignore[type-var]
    made = type(obj)(parts.pop("metadata", obj.metadata), dict(obj.content))
    for name, value in parts.items():
        set_field(made, name, value)
    return made


def changed_fields(old: Any, new: Any) -> list[str]:
    """The top-level fields but metadata in which two objects of one kind differ."""
    if isinstance(old, Unstructured):
        names = sorted(old.content.keys() | new.content.keys())
        return [name for name in names if old.content.get(name) != new.content.get(name)]
    return [
        name
        for name in old.__struct_fields__
        if name != "metadata" and (value := getattr(old, name)) is not (other := getattr(new, name)) and value != other
    ]


def same_but_metadata_and_status(old: Any, new: Any) -> bool:
    """Whether two objects of one kind say the same apart from metadata and status."""
    if isinstance(old, Unstructured):
        return not [name for name in changed_fields(old, new) if name != "status"]
    return all(getattr(old, name) == getattr(new, name) for name in type(old).__struct_fields__ if name not in ("metadata", "status"))
