"""An object that managers apply and update in turn, without a server: what the tests of field management share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from pilothouse.machinery import codec, fieldset
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.patch import apply, manager
from pilothouse.machinery.patch.apply import Writer
from pilothouse.machinery.patch.schema import of_shape
from pilothouse.machinery.patch.updater import Filter, Versions, everything
from pilothouse.machinery.shape import shape_of

Map = dict[str, Any]


def writer(kind: type[Any], name: str, *, subresource: str = "", kept: Filter = everything, time: str = "2025-01-01T00:00:00Z") -> Writer:
    group, version, _ = kind.GVK
    api_version = f"{group}/{version}" if group else version
    versions = Versions({api_version: of_shape(shape_of(kind))}, reset_filter=kept)
    return Writer(name, versions, api_version, kind.GVK, codec.to_dict(kind()), time, subresource)


@dataclass
class Live:
    """An object and its record. Each write is a second later than the one before."""

    kind: type[Any]
    obj: Map | None = None
    record: list[ManagedFieldsEntry] = field(default_factory=list)
    seconds: int = 0

    def _writer(self, name: str, subresource: str) -> Writer:
        self.seconds += 1
        return writer(self.kind, name, subresource=subresource, time=f"2025-01-01T00:00:{self.seconds:02}Z")

    def apply(self, name: str, config: Map, *, force: bool = False, subresource: str = "") -> Map:
        """Apply the fields of an object whose kind and name need not be said."""
        group, version, word = self.kind.GVK
        head = {"apiVersion": f"{group}/{version}" if group else version, "kind": word}
        config = {**head, **config, "metadata": {"name": "x", **config.get("metadata", {})}}
        after, self.record = apply.apply(self.obj, self.record, config, self._writer(name, subresource), force=force)
        self.obj = {**orjson.loads(codec.encode(self.kind())), **without_nulls(after)}  # a struct has its spec, whatever it had to lose
        return self.obj

    def update(self, name: str, new: Map, *, subresource: str = "") -> None:
        """A plain write: a create when there is nothing yet."""
        owners = apply.update(self.obj, new, apply.record_of(self.record, ()), self._writer(name, subresource))
        self.obj, self.record = new, manager.encode(owners)

    def owned(self, name: str) -> list[str]:
        """What a manager owns, as messages show it, sorted."""
        sets = [fieldset.parse(bytes(one.fieldsV1)) for one in self.record if one.manager == name]
        return sorted(fieldset.path_text(path) for paths in sets for path in paths)

    def managers(self) -> list[str]:
        return [one.manager for one in self.record]

    def copy(self) -> Live:
        return replace(self, obj=orjson.loads(orjson.dumps(self.obj)), record=list(self.record))


def without_nulls(value: Any) -> Any:
    """A value as its kind's struct would write it: without nulls, and without what is empty but was not said so."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value
