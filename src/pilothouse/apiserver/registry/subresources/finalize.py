"""`namespaces/finalize`: updates `spec.finalizers`; the Namespace is deleted with the last one."""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.core_v1 import Namespace
from pilothouse.apiserver.registry.strategy import carry_metadata, validate_update
from pilothouse.apiserver.registry.view import View
from pilothouse.machinery.codec import clone
from pilothouse.machinery.resource import Resource


def write(resource: Resource[Any], old: Namespace, body: Namespace) -> Namespace:
    """The old namespace with the metadata and the `spec.finalizers` of the body."""
    new = clone(old)
    new.metadata = clone(body.metadata)
    carry_metadata(old, new)
    new.spec.finalizers = list(body.spec.finalizers)
    return new


FINALIZE = View("finalize", write, validate_update, plurals=frozenset({("", "namespaces")}), defaulted=True)
