"""Who owns which fields (metadata.managedFields): kept up to date by writes once somebody has applied the object."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.registry.kernel import Kernel
from pilothouse.apiserver.registry.request import Request
from pilothouse.machinery import codec, time
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.patch import apply


def manager_of(kernel: Kernel, request: Request, operation: str) -> apply.Manager:
    """Who makes this request, as an owner of fields: the name that it gives, else that of the user without `system:`."""
    name = request.options.field_manager or request.user.name.removeprefix("system:")
    return apply.Manager(name, operation, request.served.api_version, request.call.subresource, time.now_text(kernel.clock))


def after_update(kernel: Kernel, request: Request, old: Any, new: Any) -> list[ManagedFieldsEntry]:
    """The managedFields after a plain update; objects that nobody applied have none, and cost nothing."""
    if not old.metadata.managedFields:
        return []
    manager = manager_of(kernel, request, apply.UPDATE)
    found = apply.track_update(codec.to_dict(old), codec.to_dict(new), type(new), manager)
    return [codec.from_dict(one, ManagedFieldsEntry) for one in found]
