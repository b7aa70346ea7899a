"""Stored values that cannot be decoded, and upstream's errors for them (KEP-3926).

Each fails reads of its own object and consistent lists of its kind; what was shown before stays in the watch cache, as upstream's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.apiserver.cache.stored import object_of
from pilothouse.apiserver.storage.encryption.transforming import Undecryptable
from pilothouse.apiserver.storage.interface import Item
from pilothouse.machinery import codec, strict
from pilothouse.machinery.errors import StatusError, failure, internal_error
from pilothouse.machinery.meta_v1 import StatusCause, StatusDetails
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.shape import shape_of

ROOT = "/registry"
READ_ERROR = "StorageReadError"
CAUSES_LIMIT = 100


@dataclass(frozen=True, slots=True)
class CorruptValue:
    """A key with a value that cannot be decoded: its revision and the problem."""

    key: str
    revision: int
    problem: str
    is_encrypted: bool = False
    """Whether it could not even be decrypted."""

    @property
    def decoding(self) -> str:
        """Upstream's message of the failed decoding, with the revision."""
        if self.is_encrypted:
            return f"data from the storage is not transformable revision=0: {self.problem}"
        return f"object not decodable revision={self.revision}: {self.problem}"

    def storage_error(self, key: str) -> str:
        """Upstream's StorageError for a corrupt object at `key`."""
        return f"StorageError: corrupt object, Code: 7, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {self.decoding}"

    def unreadable(self) -> StatusError:
        """The 500 for a read or delete of the object."""
        return internal_error(self.storage_error(self.key.removeprefix(ROOT)))

    def unchangeable(self) -> StatusError:
        """The 500 for an update or patch of the object."""
        return failure(500, "", self.decoding)


def corrupt_value(item: Item, resource: Resource[Any]) -> CorruptValue:
    """What is wrong with an item that was not decoded."""
    if isinstance(item.value, Undecryptable):
        return CorruptValue(item.key, item.revision, item.value.problem, is_encrypted=True)
    return CorruptValue(item.key, item.revision, problem_of(item.value, resource))


def problem_of(value: bytes, resource: Resource[Any]) -> str:
    """Why a stored value cannot be decoded, in Go's words where known; "" when it can."""
    try:
        object_of(resource, value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        try:
            parsed = codec.parse(value)
        except ValueError as unparsed:
            return str(unparsed)
        return strict.type_error(parsed, shape_of(resource.type)) or str(error)
    return ""


def unlistable(resource: Resource[Any], values: Sequence[CorruptValue]) -> StatusError:
    """The 500 for a list with these values."""
    plural = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    told = [value.storage_error(value.key) for value in values[:CAUSES_LIMIT]]
    causes = [StatusCause("UnexpectedServerResponse", text, value.key) for text, value in zip(told, values, strict=False)]
    message = f"failed to read one or more {plural} from the storage: {told[0]}"
    if len(values) > 1:
        message += f" (and {len(values) - 1} more)"
    return failure(500, READ_ERROR, message, StatusDetails(name="list", group=resource.group, kind=resource.plural, causes=causes))
