"""`namespaces/finalize`: takes the finalizers of the spec, and with the last of them the namespace itself."""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.core_v1 import Namespace
from pilothouse.apiserver.registry.strategy import validate_update
from pilothouse.apiserver.registry.view import View, with_metadata_of
from pilothouse.machinery.resource import Resource


def write(resource: Resource[Any], old: Namespace, body: Namespace) -> Namespace:
    """The old namespace with the `spec.finalizers` of the body."""
    new = with_metadata_of(old, body)
    new.spec.finalizers = list(body.spec.finalizers)
    return new


FINALIZE = View("finalize", write, validate_update, plurals=frozenset({("", "namespaces")}))
