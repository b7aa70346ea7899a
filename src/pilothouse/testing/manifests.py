"""Apply a YAML text of several objects, as a test writes them: create what is missing, update what is there."""

from __future__ import annotations

import re
from typing import Any

from pilothouse.api import catalogue
from pilothouse.client.client import Client
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.yaml import parse

DEFAULT_NAMESPACE = "default"
SEPARATOR = re.compile(r"^---\s*$", re.MULTILINE)


async def apply(client: Client, manifest: str) -> list[Any]:
    """What the server made of each object; ValueError for a kind that it does not know, StatusError for one that it refuses."""
    return [await _apply(client, document) for document in map(parse, SEPARATOR.split(manifest)) if document]


async def _apply(client: Client, document: dict[str, Any]) -> Any:
    group, _, version = document.get("apiVersion", "").rpartition("/")
    resource = catalogue.by_kind(group, version, document.get("kind", ""))
    if resource is None:
        raise ValueError(f"no kind {document.get('kind')!r} in {document.get('apiVersion')!r}")
    obj = codec.from_dict(document, resource.type)
    if resource.namespaced and not obj.metadata.namespace:
        obj.metadata.namespace = DEFAULT_NAMESPACE
    try:
        return await client.create(obj)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
    return await client.update(codec.from_dict(document | {"metadata": codec.to_dict(obj.metadata)}, resource.type))
