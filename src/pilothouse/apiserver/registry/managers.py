"""Field managers: metadata.managedFields of every write.

- What strategies reset (`Resource.reset_fields`) nobody owns through that endpoint.
- A write that changes nothing but times of the record keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from pilothouse.api.catalogue import resources
from pilothouse.apiserver.auth.user import NODE_PREFIX
from pilothouse.apiserver.registry import strategy
from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.apiserver.registry.view import View
from pilothouse.machinery import access, codec, fieldset, time
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry, ObjectMeta
from pilothouse.machinery.patch import apply, scaled, structs, updater
from pilothouse.machinery.patch import manager as record
from pilothouse.machinery.patch.apply import Writer
from pilothouse.machinery.patch.creating import CreatedFields
from pilothouse.machinery.patch.manager import UPDATE
from pilothouse.machinery.patch.schema import Type, of_custom, of_shape
from pilothouse.machinery.patch.typed import NoElement, complaint
from pilothouse.machinery.patch.updater import Filter, Map, Versions
from pilothouse.machinery.resource import Resource, per_resource
from pilothouse.machinery.shape import shape_of
from pilothouse.machinery.unstructured import Unstructured

Entries = list[ManagedFieldsEntry]
AGENTS = {"system:apiserver": "kube-apiserver"}
INVALID_AFTER_ADMISSION = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; "
    "please fix your requests: "
)


def agent_of(user: str) -> str:
    """Manager name of a component in process, as its User-Agent would give."""
    if user.startswith(NODE_PREFIX):
        return "kubelet"
    return AGENTS.get(user) or user.removeprefix("system:")


def writer_of(store: RegistryStore, request: Request, body: Resource[Any] | None = None) -> Writer:
    """Manager of this request. `body` is the type of the body when it differs from the kind, as Scale."""
    resource = body or request.served
    return Writer(
        name=request.options.field_manager or agent_of(request.user.name),
        versions=_versions(resource, request.call.subresource),
        version=resource.api_version,
        kind=(resource.group, resource.version, resource.kind),
        empty=_empty(resource),
        time=time.now_text(store.clock),
        subresource=request.call.subresource,
    )


def at_creation(store: RegistryStore, request: Request, obj: Any) -> Entries:
    """managedFields of a new object, in the version of the request, before admission."""
    resource = request.served
    said = apply.record_of((), obj.metadata.managedFields) if obj.metadata.managedFields else {}
    if said:  # a record that comes with the object is kept
        bare = access.with_parts(obj, metadata=without_record(obj.metadata))
        return record.encode(apply.update(None, codec.to_dict(bare), said, writer_of(store, request)))
    if resource.to_stored is not None and resource.from_stored is not None and not isinstance(obj, Unstructured):
        # What the conversion writes belongs to the creator, too.
        obj = resource.from_stored(resource.to_stored(obj))
    if _has_odd_status(resource, obj):
        return []
    try:
        fields = _created(resource, request.call.subresource).of(obj)
    except NoElement:  # items without keys: upstream writes such an object without a record
        return []
    if request.call.empty_lists:
        fields = fieldset.encode(fieldset.parse(fields) | _kept(resource, request.call.subresource)(_paths(request)))
    if fields == b"{}":
        return []
    owner = record.manager(request.options.field_manager or agent_of(request.user.name), UPDATE, resource.api_version)
    return [record.entry(owner, resource.api_version, fields, time.now_text(store.clock))]


def _has_odd_status(resource: Resource[Any], obj: Any) -> bool:
    """A custom object whose status has other types than its schema. The strategy drops the status, so that nobody refuses the object;
    upstream writes it without a record."""
    if not isinstance(obj, Unstructured) or obj.content.get("status") is None or not strategy.has_status(resource):
        return False
    known = _type(resource).fields.get("status")
    return known is not None and bool(complaint(obj.content["status"], known, allow_duplicates=True))


def of_seed(resource: Resource[Any], obj: Any, name: str, written: str) -> Entries:
    """managedFields of an object that the server creates as `manager` at the time `written`."""
    fields = _created(resource, "").of(obj)
    if fields == b"{}":
        return []
    owner = record.manager(name or agent_of("system:apiserver"), UPDATE, resource.api_version)
    return [record.entry(owner, resource.api_version, fields, written)]


def _paths(request: Request) -> fieldset.Fields:
    """The lists that the client said are empty, as paths of a set of fields."""
    return frozenset(tuple(f"f:{name}" for name in path) for path in request.call.empty_lists)


def after_update(store: RegistryStore, request: Request, view: View, old: Any, new: Any, said: Sequence[ManagedFieldsEntry]) -> Entries:
    """managedFields after an update; a client that sets an empty list explicitly owns it."""
    entries = _after_update(store, request, view, old, new, said)
    if not request.call.empty_lists or request.call.subresource:
        return entries
    paths, writer = _paths(request), writer_of(store, request)
    owner = record.manager(writer.name, UPDATE, writer.version)
    owners = record.decode(entries)
    own = owners.get(owner)
    if own is not None and paths <= own.paths:
        return entries
    others = {each: record.Owned(owned.paths - paths, owned.api_version, owned.time) for each, owned in owners.items() if each != owner}
    mine = record.Owned((own.paths if own else fieldset.NONE) | paths, writer.version, writer.time)
    return record.encode({owner: mine, **{each: owned for each, owned in others.items() if owned.paths}})


def _after_update(store: RegistryStore, request: Request, view: View, old: Any, new: Any, said: Sequence[ManagedFieldsEntry]) -> Entries:
    """The record after an update from `old` to `new` (in the stored version); `said` is what the client sent of it.

    A client may change the record, or drop it with one empty entry. Of an apply `said` is its outcome.
    """
    before: Entries = old.metadata.managedFields
    if view.body is not None:
        return _after_scale(store, request, view, old, new, said)
    if request.applies:
        return _with_old_times(before, list(said), old, new)
    is_untouched = bool(request.call.subresource) or not said or said is before or said == before
    if is_untouched and not before:
        return before
    try:
        if is_untouched and request.served.from_stored is None and isinstance(old, msgspec.Struct):
            entries = _renewed(store, request, old, new)
            if entries is not None:
                return entries
        return _updated(store, request, old, new, said, is_untouched=is_untouched)
    except NoElement:  # upstream leaves the record when the object does not fit its schema
        return before


def _renewed(store: RegistryStore, request: Request, old: Any, new: Any) -> Entries | None:
    """The record after an update that touches only what its writer owns already; None when that is not so."""
    before: Entries = old.metadata.managedFields
    changes = updater.without_reset_fields(structs.compare(old, new), _kept(request.served, request.call.subresource))
    if changes.is_empty:
        return before
    name = request.options.field_manager or agent_of(request.user.name)
    who = record.manager(name, UPDATE, request.served.api_version, request.call.subresource)
    return apply.renewed(before, changes, who, time.now_text(store.clock))


def _updated(
    store: RegistryStore, request: Request, old: Any, new: Any, said: Sequence[ManagedFieldsEntry], *, is_untouched: bool
) -> Entries:
    """The record after an update that may take fields from others, or comes with a record of its own."""
    before: Entries = old.metadata.managedFields
    parts = _changed_parts(old, new)
    if is_untouched and not parts:
        return before
    writer = writer_of(store, request)
    live, after = _as_served(request, old, parts), _as_served(request, new, parts)
    changes = updater.compared(writer.versions, live, after, writer.version)
    entries = apply.renewed(before, changes, writer.manager(UPDATE), writer.time) if is_untouched else None
    if entries is not None:
        return entries
    owners = apply.record_of(before, said, subresource=request.call.subresource)
    return record.encode(apply.update(live, after, owners, writer, changes))


def after_admission(before: Entries, after: Entries, warnings: list[str]) -> Entries:
    """managedFields after mutating admission; the previous ones, with a warning, when admission made them invalid."""
    if after is before or after == before:
        return before
    try:
        record.decode(after)
    except ValueError as error:
        warnings.append(f"{INVALID_AFTER_ADMISSION}{error}")
        return before
    return after


def _after_scale(store: RegistryStore, request: Request, view: View, old: Any, new: Any, said: Sequence[ManagedFieldsEntry]) -> Entries:
    """The record of an object after its Scale was written."""
    assert view.replicas is not None
    paths = view.replicas(request.resource)
    owners = apply.record_of(old.metadata.managedFields, ())
    if request.applies:
        scale = record.decode(said)
    else:
        live, after = (codec.to_dict(view.read(request.resource, obj)) for obj in (old, new))
        scale = apply.update(live, after, scaled.to_scale(owners, paths), writer_of(store, request, view.body))
    return _with_old_times(
        old.metadata.managedFields, record.encode(scaled.to_parent(owners, paths, request.served.api_version, scale)), old, new
    )


def record_in(view: View, resource: Resource[Any], obj: Any) -> Entries:
    """managedFields that an apply through a view starts from."""
    if view.replicas is None:
        entries: Entries = obj.metadata.managedFields
        return entries
    return record.encode(scaled.to_scale(apply.record_of(obj.metadata.managedFields, ()), view.replicas(resource)))


def _changed_parts(old: Any, new: Any) -> list[str]:
    """Top-level fields in which two objects of one type differ, whatever their records say."""
    names = access.changed_fields(old, new)
    said, new.metadata.managedFields = new.metadata.managedFields, old.metadata.managedFields
    if new.metadata != old.metadata:
        names.append("metadata")
    new.metadata.managedFields = said
    return names


def without_record(metadata: Any) -> Any:
    """Metadata without managedFields and resourceVersion, for comparing the rest."""
    return msgspec.structs.replace(metadata, managedFields=[], resourceVersion="")


def _as_served(request: Request, obj: Any, parts: Sequence[str]) -> Map:
    """The object as a dict in the version in which it is served: the parts that matter, or all where versions or presence ask for it."""
    if request.served is not request.resource and request.served.from_stored is not None:
        return codec.to_dict(request.served.from_stored(obj))
    if request.resource.is_hub and len(request.resource.versions) > 1:  # a webhook converts whole objects
        return codec.to_dict(access.with_parts(obj, metadata=without_record(obj.metadata)))
    values = {name: without_record(obj.metadata) if name == "metadata" else access.field(obj, name) for name in parts}
    if all(isinstance(value, msgspec.Struct) for value in values.values()):
        return codec.to_dict(values)
    whole = codec.to_dict(obj)
    return {name: whole[name] for name in parts if name in whole}


def _with_old_times(before: Entries, after: Entries, old: Any, new: Any) -> Entries:
    """The record after an apply: that of the old object when it and the object differ in nothing but times."""
    if len(before) != len(after):
        return after
    timeless = [msgspec.structs.replace(entry, time=other.time) for entry, other in zip(after, before, strict=True)]
    return before if timeless == before and not _changed_parts(old, new) else after


@per_resource
def _created(resource: Resource[Any], subresource: str) -> CreatedFields:
    return CreatedFields(_type(resource), _empty(resource), _kept(resource, subresource), apply.STRIPPED)


@per_resource
def _type(resource: Resource[Any]) -> Type:
    """The schema of a kind."""
    if issubclass(resource.type, msgspec.Struct):
        return of_shape(shape_of(resource.type))
    return of_custom(resource.schema, shape_of(ObjectMeta))


@per_resource
def _empty(resource: Resource[Any]) -> Map:
    """An object of the kind in which nothing is set, as it is written."""
    return codec.to_dict(resource.type())


@per_resource
def _versions(resource: Resource[Any], subresource: str) -> Versions:
    """The kind in all its versions, as the endpoint of a subresource writes it."""
    stored = resource.stored_as or resource
    served = [version for version in resources() if (version.stored_as or version) is stored] or list(resource.versions)
    types = {version.api_version: _type(version) for version in served}
    kept = _kept(resource, subresource)
    if len(served) == 1:
        return Versions(types, reset_filter=kept)
    return Versions(types, partial(_converted, {version.api_version: version for version in served}), kept)


def _converted(by_version: dict[str, Resource[Any]], value: Map, source: str, target: str) -> Map:
    """An object's dict in another version."""
    origin, wanted = by_version[source], by_version[target]
    obj = codec.from_dict(value, origin.type)
    if origin.to_stored is not None and wanted is not origin:
        obj = origin.to_stored(obj)
    return codec.to_dict(wanted.from_stored(obj) if wanted.from_stored is not None else obj)


@per_resource
def _kept(resource: Resource[Any], subresource: str) -> Filter:
    """What of a set of fields an endpoint writes."""
    if subresource in resource.written_fields:
        return partial(fieldset.matching, patterns=resource.written_fields[subresource])
    return partial(fieldset.without, prefixes=resource.reset_fields.get(subresource, ()))
