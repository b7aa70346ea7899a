"""Binding: the assignment of a Pod to a Node; only ever created, mostly as the `binding` subresource of a Pod."""

from __future__ import annotations

from pilothouse.api.types.core_v1 import Binding
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource

BINDING = Resource(Binding, plural="bindings", verbs=("create",))


@BINDING.validate
def validate(binding: Binding, problems: Problems) -> None:
    """The target is a Node and has a name. Upstream: ValidatePodBinding."""
    if binding.target.kind not in ("", "Node"):
        problems.at("target", "kind").not_supported(binding.target.kind, ("Node", "<empty>"))
    if not binding.target.name:
        problems.at("target", "name").required()
