"""Unstructured: an object of a kind without a generated struct, as custom resources are.

- `metadata` is the ObjectMeta of all kinds; every other top-level field is plain data in `content`.
- Each kind has a subclass of its own, made by `unstructured_resource`, which carries the GVK as the generated structs do.
- It is encoded and decoded like a struct: `encode_hook` and `decode_hook` are what msgspec needs for that.

Upstream: apimachinery's unstructured.Unstructured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from pilothouse.machinery import strict
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.shape import shape_of

_encode = msgspec.json.Encoder(order="deterministic").encode

if TYPE_CHECKING:
    from pilothouse.machinery.resource import Resource


TYPE_META = frozenset({"apiVersion", "kind", "metadata"})


class Rules(Protocol):
    """What a schema does to objects of a kind. Content is without apiVersion, kind and metadata. Paths are in upstream's order."""

    def prune(self, value: dict[str, Any], *, keep_nulls: bool = False) -> list[str]:
        """Remove unknown fields, and nulls that are not nullable; returns the unknown paths."""
        ...

    def coerce(self, value: dict[str, Any], *, drop_invalid: bool = False) -> list[str]:
        """Bring the metadata of embedded objects into form; the paths of what they do not have. ValueError for metadata that are none."""
        ...


class Unstructured:
    """An object of a kind without a generated struct: apiVersion, kind, metadata, and the rest as plain data.

    Two are equal when they are of one kind and say the same.
    """

    GVK: ClassVar[tuple[str, str, str]] = ("", "", "")
    RULES: ClassVar[Rules | None] = None
    DECODER: ClassVar[msgspec.json.Decoder[Any] | None] = None
    __slots__ = ("apiVersion", "content", "kind", "metadata")

    def __init__(self, metadata: ObjectMeta | None = None, content: dict[str, Any] | None = None) -> None:
        group, version, kind = self.GVK
        self.apiVersion = f"{group}/{version}" if group else version
        self.kind = kind
        self.metadata = metadata if metadata is not None else ObjectMeta()
        self.content: dict[str, Any] = content if content is not None else {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unstructured):
            return NotImplemented
        return (self.GVK, self.metadata, self.content) == (other.GVK, other.metadata, other.content)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.metadata!r}, {self.content!r})"


def unstructured_resource(group: str, version: str, kind: str, plural: str, *, rules: Rules | None = None, **options: Any) -> Resource[Any]:
    """A `Resource` of a kind known only at run time; `options` are those of `Resource`."""
    from pilothouse.machinery.resource import Resource

    made = type(
        kind,
        (Unstructured,),
        {"GVK": (group, version, kind), "RULES": rules, "DECODER": None, "__slots__": (), "__doc__": f"{kind} of {group}/{version}."},
    )
    return Resource(made, plural, **options)


def encode_hook(value: Any) -> Any:
    """Encoding of an Unstructured: metadata before the content, as in every object's JSON."""
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
    content = {name: field for name, field in value.items() if name not in TYPE_META}
    metadata = value.get("metadata") or {}
    try:  # what is stored, or was encoded here, needs nothing else
        return kind(msgspec.convert(metadata, ObjectMeta), content)
    except msgspec.ValidationError:
        return kind(msgspec.convert(strict.without_nulls(metadata, shape_of(ObjectMeta)), ObjectMeta), content)
