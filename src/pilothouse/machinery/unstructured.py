"""Unstructured: an object of a kind without a generated struct, as custom resources are.

- `metadata` is the ObjectMeta of all kinds; every other top-level field is plain data in `content`.
- Each kind has a subclass of its own, made by `unstructured_resource`, which carries the GVK as the generated structs do.
- It is encoded and decoded like a struct: `encode_hook` and `decode_hook` are what msgspec needs for that.

Upstream: apimachinery's unstructured.Unstructured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from pilothouse.machinery import strict
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.shape import shape_of

_encode = msgspec.json.Encoder(order="deterministic").encode

if TYPE_CHECKING:
    from pilothouse.machinery.resource import Resource


class Unstructured:
    """See the module docstring. Two are equal when they are of one kind and say the same."""

    GVK: ClassVar[tuple[str, str, str]] = ("", "", "")
    __slots__ = ("apiVersion", "content", "kind", "metadata")

    def __init__(self, metadata: ObjectMeta | None = None, content: dict[str, Any] | None = None) -> None:
        group, version, kind = self.GVK
        self.apiVersion = f"{group}/{version}" if group else version
        self.kind = kind
        self.metadata = metadata if metadata is not None else ObjectMeta()
        self.content: dict[str, Any] = content if content is not None else {}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.metadata, self.content) == (other.metadata, other.content)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.metadata!r}, {self.content!r})"


def unstructured_resource(group: str, version: str, kind: str, plural: str, **options: Any) -> Resource[Any]:
    """A `Resource` of a kind known only at run time; `options` are those of `Resource`."""
    from pilothouse.machinery.resource import Resource

    made = type(kind, (Unstructured,), {"GVK": (group, version, kind), "__slots__": (), "__doc__": f"{kind} of {group}/{version}."})
    return Resource(made, plural, **options)


def encode_hook(value: Any) -> Any:
    """What is encoded for an Unstructured: metadata stands before the content, so that every object's JSON begins alike."""
    if isinstance(value, Unstructured):
        head = (
            _encode({"kind": value.kind})[:-1],
            _encode({"apiVersion": value.apiVersion})[1:-1],
            _encode({"metadata": value.metadata})[1:-1],
        )
        content = _encode(value.content)[1:-1]
        return msgspec.Raw(b",".join((*head, content) if content else head) + b"}")
    raise NotImplementedError(f"objects of type {type(value).__name__} are not encoded")


def decode_hook(kind: type[Any], value: Any) -> Any:
    """An Unstructured of parsed JSON; msgspec.ValidationError when its metadata is none."""
    if not issubclass(kind, Unstructured):
        raise NotImplementedError(f"objects of type {kind.__name__} are not decoded")
    if not isinstance(value, dict):
        raise msgspec.ValidationError("Expected `object`")
    content = {name: field for name, field in value.items() if name not in ("apiVersion", "kind", "metadata")}
    metadata = strict.without_nulls(value.get("metadata") or {}, shape_of(ObjectMeta))
    return kind(msgspec.convert(metadata, ObjectMeta), content)
