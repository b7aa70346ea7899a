"""`/status`: what is seen of an object, written by those who see it; spec and most metadata are not theirs to change."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.registry.strategy import validate_status
from pilothouse.apiserver.registry.view import View, with_metadata_of
from pilothouse.machinery.resource import Resource

LABELLED = frozenset({("", "pods"), ("", "nodes"), ("", "namespaces"), ("", "persistentvolumes"), ("", "persistentvolumeclaims")})
"""Kinds whose labels may be changed together with the status."""


def write(resource: Resource[Any], old: Any, body: Any) -> Any:
    taken = ("labels", "annotations") if (resource.group, resource.plural) in LABELLED else ("annotations",)
    new = with_metadata_of(old, body, *taken)
    new.status = body.status
    return new


STATUS = View("status", write, validate_status, defaulted=True)
