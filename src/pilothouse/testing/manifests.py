"""Apply a YAML text of several objects as `kubectl apply` does: three-way merge with what was applied last.

- What the last applied text had and this one has not is removed; fields that somebody else wrote stay.
- Fields that the kind does not have, and keys that are there twice, are refused before anything is written.
- `kind: List` stands for its items; empty documents and comments around `---` count for nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec

from pilothouse.client.call import MERGE_PATCH, STRATEGIC_MERGE_PATCH, Options
from pilothouse.client.client import Client
from pilothouse.machinery import codec, yaml
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.errors import StatusError, bad_request
from pilothouse.machinery.patch import three_way
from pilothouse.machinery.patch.apply import LAST_APPLIED
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.shape import shape_of
from pilothouse.machinery.strict import unknown_fields
from pilothouse.machinery.unstructured import Unstructured

DEFAULT_NAMESPACE = "default"
OPTIONS = Options(field_manager="kubectl-client-side-apply")

Document = dict[str, Any]
Kind = tuple[Resource[Any], Document]


async def apply(client: Client, manifest: str) -> list[Any]:
    """Apply a manifest. Returns the objects as stored, in the order of the text.

    ValueError for what kubectl refuses by itself (no kind, no name, a kind that nobody knows); StatusError for what the server refuses.
    """
    return [await _apply(client, resource, document) for resource, document in [*_read(manifest, client.catalogue)]]


def _read(manifest: str, catalogue: Catalogue) -> Iterator[Kind]:
    repeated: list[str] = []
    documents = yaml.parse_all(manifest, repeated)
    if repeated:
        raise bad_request(f"error converting YAML to JSON: {yaml.unmarshal_errors(repeated)}")
    for document in documents:
        if document is not None:
            yield from _objects(document, catalogue)


def _objects(document: Any, catalogue: Catalogue) -> Iterator[Kind]:
    """The object, or those of a List, each with its kind."""
    if not isinstance(document, dict):
        raise ValueError(f"a document of the manifest is no object: {document!r}")
    if document.get("kind") == "List" and document.get("apiVersion") == "v1":
        for item in document.get("items") or []:
            yield from _objects(item, catalogue)
        return
    for field in ("apiVersion", "kind"):
        if not isinstance(document.get(field), str) or not document[field]:
            raise ValueError(f"a document of the manifest has no {field}: {msgspec.json.encode(document).decode()[:200]}")
    group, _, version = document["apiVersion"].rpartition("/")
    resource = catalogue.by_kind(group, version, document["kind"])
    if resource is None:
        raise ValueError(f'no matches for kind "{document["kind"]}" in version "{document["apiVersion"]}": ensure CRDs are installed first')
    yield resource, _checked(document, resource)


def _checked(document: Document, resource: Resource[Any]) -> Document:
    """The document with its namespace; StatusError for fields that its kind does not have."""
    metadata = document.get("metadata") or {}
    if metadata.get("generateName") and not metadata.get("name"):
        raise ValueError(f"cannot use generate name with apply: {metadata['generateName']}")
    if not metadata.get("name"):
        raise ValueError(f"{document['kind']}: resource name may not be empty")
    unknown = _unknown_fields(document, resource)
    if unknown:
        kind, version = document["kind"], str(document["apiVersion"]).rpartition("/")[2]
        told = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {told}')
    namespace = {"namespace": metadata.get("namespace") or DEFAULT_NAMESPACE} if resource.namespaced else {}
    return {**document, "metadata": {**metadata, **namespace}}


def _unknown_fields(document: Document, resource: Resource[Any]) -> list[str]:
    """Paths that the kind does not have; of a custom one those that its schema does not."""
    if not is_custom(resource):
        return unknown_fields(document, shape_of(resource.type))
    known = {name: value for name, value in document.items() if name not in ("apiVersion", "kind", "metadata")}
    rules = resource.type.RULES
    return [] if rules is None else rules.prune(copy.deepcopy(known))


def is_custom(resource: Resource[Any]) -> bool:
    """Whether objects of the kind are plain data: then patches are JSON merge patches, as kubectl's of custom kinds."""
    return issubclass(resource.type, Unstructured)


async def _apply(client: Client, resource: Resource[Any], document: Document) -> Any:
    modified = _with_last_applied(document)
    name, namespace = modified["metadata"]["name"], modified["metadata"].get("namespace", "")
    try:
        live = await client.get(resource.type, name, namespace)
    except StatusError as error:
        if error.reason != "NotFound":
            raise
        return await client.create(codec.from_dict(modified, resource.type), options=OPTIONS)
    current = codec.to_dict(live)
    original = msgspec.json.decode((current.get("metadata") or {}).get("annotations", {}).get(LAST_APPLIED) or "{}")
    custom = is_custom(resource)
    patch = three_way.create(original, modified, current, dict if custom else resource.type)
    patch.pop("apiVersion", None)
    patch.pop("kind", None)
    if not patch:
        return live
    kind = MERGE_PATCH if custom else STRATEGIC_MERGE_PATCH
    return await client.patch(resource.type, name, namespace, msgspec.json.encode(patch), patch_type=kind, options=OPTIONS)


def _with_last_applied(document: Document) -> Document:
    """The document with itself in its annotation, as kubectl writes it: keys sorted, without the annotation, a line's end behind it."""
    metadata = dict(document["metadata"])
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    bare = {**document, "metadata": {**metadata, "annotations": annotations}}
    text = msgspec.json.encode(bare, order="sorted").decode() + "\n"
    return {**bare, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}
