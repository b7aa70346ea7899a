"""Who owns which fields (metadata.managedFields), kept up to date by every write.

Most writes are by whom the object, or its status, belongs to as a whole (machinery/patch/whole.py): they set a time and compare
nothing. Fields are compared when another writes, or once somebody has applied the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.apiserver.registry.request import Request
from pilothouse.apiserver.registry.store import RegistryStore
from pilothouse.machinery import codec, time
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.patch import apply
from pilothouse.machinery.patch.manager import APPLY, UPDATE, Manager

FIELDS_TYPE = "FieldsV1"
OBJECT: dict[str, Any] = {".": {}}
STATUS: dict[str, Any] = {"f:status": {}}
NO_ENTRY = ManagedFieldsEntry()
AGENTS = {"system:apiserver": "kube-apiserver"}
NODES = "system:node:"


def manager_of(store: RegistryStore, request: Request, operation: str) -> Manager:
    """Who makes this request, as an owner of fields: the name that it gives, else that of the component that its user is."""
    name = request.options.field_manager or agent_of(request.user.name)
    return Manager(name, operation, request.served.api_version, request.call.subresource, time.now_text(store.clock))


def agent_of(user: str) -> str:
    """What a component in process would have called itself in the User-Agent of a request."""
    if user.startswith(NODES):
        return "kubelet"
    return AGENTS.get(user) or user.removeprefix("system:")


def at_creation(store: RegistryStore, request: Request) -> list[ManagedFieldsEntry]:
    """A new object is its creator's as a whole."""
    return [_whole(manager_of(store, request, UPDATE), OBJECT)]


def after_update(
    store: RegistryStore, request: Request, old: Any, new: Any, said: Sequence[ManagedFieldsEntry]
) -> list[ManagedFieldsEntry]:
    """The managedFields after a plain update; `said` is what the client sent of them, which it may change, or drop with `[{}]`."""
    before: list[ManagedFieldsEntry] = _decided(old.metadata.managedFields, said)
    if not before:
        return []
    if _same(old, new):
        return before
    manager = manager_of(store, request, UPDATE)
    entries = _as_a_whole(before, manager, old, new)
    if entries is not None:
        return entries
    known = codec.to_dict(old)
    known["metadata"]["managedFields"] = codec.to_dict(before)
    found = apply.track_update(known, codec.to_dict(new), type(new), manager)
    return [codec.from_dict(one, ManagedFieldsEntry) for one in found]


def _same(old: Any, new: Any) -> bool:
    """Whether nothing is changed. The status, which changes most, is looked at first."""
    return bool((not hasattr(new, "status") or new.status == old.status) and new == old)


def _decided(before: list[ManagedFieldsEntry], said: Sequence[ManagedFieldsEntry]) -> list[ManagedFieldsEntry]:
    """What a client sends of the record holds when it is one; who leaves it out, or knows nothing of it, leaves it as it is."""
    if not said or said == before:
        return before
    if len(said) == 1 and said[0] == NO_ENTRY:
        return []
    return list(said) if all(one.operation in (APPLY, UPDATE) and one.fieldsType == FIELDS_TYPE for one in said) else before


def _whole(manager: Manager, fields: dict[str, Any]) -> ManagedFieldsEntry:
    return ManagedFieldsEntry(
        apiVersion=manager.api_version,
        fieldsType=FIELDS_TYPE,
        fieldsV1=fields,
        manager=manager.name,
        operation=manager.operation,
        subresource=manager.subresource,
        time=manager.time,
    )


def _as_a_whole(before: list[ManagedFieldsEntry], manager: Manager, old: Any, new: Any) -> list[ManagedFieldsEntry] | None:
    """The record after a write of what is the manager's as a whole, or becomes so; None when fields must be compared."""
    of_status = manager.subresource == "status"
    if (manager.subresource and not of_status) or any(one.fieldsV1 not in (OBJECT, STATUS) for one in before):
        return None
    if of_status and new.metadata != old.metadata:
        return None
    fields = STATUS if of_status else OBJECT
    others = [one for one in before if not _is(one, manager)]
    if len(others) < len(before):
        return [*others, _whole(manager, fields)] if any(one.fieldsV1 == fields and _is(one, manager) for one in before) else None
    is_first = of_status and all(one.fieldsV1 != STATUS for one in others)
    return [*others, _whole(manager, STATUS)] if is_first else None


def _is(entry: ManagedFieldsEntry, manager: Manager) -> bool:
    return (
        entry.manager == manager.name
        and entry.subresource == manager.subresource
        and entry.apiVersion == manager.api_version
        and entry.operation == manager.operation
    )
