"""ConversionReview: what a conversion webhook is asked, and what its answer must be. Pure.

- Objects go in one review; the answer has as many, in the same order, each of the version and kind that was asked for.
- Of the metadata a webhook may change labels and annotations alone; all else is restored from the original.
- Whatever is wrong is a ConversionFailed in upstream's words.

Upstream: webhook_converter.go of apiextensions-apiserver (pkg/apiserver/conversion).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.metadata import validate_annotations, validate_labels
from pilothouse.machinery.patch.document import go_type
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.unstructured import TYPE_META, Unstructured

GROUP = "apiextensions.k8s.io"
VERSIONS = ("v1", "v1beta1")
SUCCESS = "Success"
Map = dict[str, Any]


CALL, MALFORMED, PARTIAL, INVALID = (
    f"conversion_webhook_{what}_failure" for what in ("call", "malformed_response", "partial_response", "invalid_converted_object")
)
"""What metrics call the ways in which a conversion fails."""


class ConversionFailed(Exception):
    """A conversion that cannot be had; `type` is what metrics call that."""

    type = CALL


def failed(type: str, text: str) -> ConversionFailed:
    """A failure of this type."""
    failure = ConversionFailed(text)
    failure.type = type
    return failure


def review_version(accepted: Sequence[str]) -> str:
    """The version of the review: the first of those that the definition names and the server speaks."""
    for version in accepted:
        if version in VERSIONS:
            return version
    raise ConversionFailed("no supported conversion review versions")


def review_of(objects: Sequence[Unstructured], target: Resource[Any], uid: str, version: str) -> bytes:
    """The body of a request."""
    request = {"uid": uid, "desiredAPIVersion": target.api_version, "objects": [msgspec.Raw(codec.encode(obj)) for obj in objects]}
    return codec.encode({"kind": "ConversionReview", "apiVersion": f"{GROUP}/{version}", "request": request})


def converted(answer: bytes, objects: Sequence[Unstructured], target: Resource[Any], uid: str, version: str) -> list[Unstructured]:
    """The objects in the version of `target`; ConversionFailed, which names `objects` by their kind."""
    source = f"{objects[0].apiVersion}, Kind={objects[0].kind}"
    try:
        returned = _objects_in(codec.parse(answer), uid, version)
    except (ValueError, ConversionFailed) as problem:
        raise failed(MALFORMED, f"conversion webhook for {source} failed: {problem}") from problem
    if len(returned) != len(objects):
        raise failed(PARTIAL, f"conversion webhook for {source} returned {len(returned)} objects, expected {len(objects)}")
    made: list[Unstructured] = []
    for index, (original, value) in enumerate(zip(objects, returned, strict=True)):
        try:
            made.append(_checked(original, value, target))
        except ConversionFailed as problem:
            what = f"invalid converted object at index {index}" if len(objects) > 1 else "invalid object"
            what = f"invalid metadata in object at index {index}" if problem.args[1:] and len(objects) > 1 else what
            what = "invalid metadata" if problem.args[1:] and len(objects) == 1 else what
            raise failed(INVALID, f"conversion webhook for {source} returned {what}: {problem.args[0]}") from problem
    return made


def _objects_in(review: Any, uid: str, version: str) -> list[Any]:
    said = (review.get("apiVersion"), review.get("kind")) if isinstance(review, dict) else (None, None)
    if version == "v1" and said != (f"{GROUP}/v1", "ConversionReview"):
        raise ConversionFailed(
            f"expected webhook response of {GROUP}/v1, Kind=ConversionReview, got {said[0] or '/'}, Kind={said[1] or ''}"
        )
    response = review.get("response") if isinstance(review, dict) else None
    if not isinstance(response, dict):
        raise ConversionFailed("no response provided")
    if version == "v1" and response.get("uid", "") != uid:
        raise ConversionFailed(f"expected response.uid={go_quoted(uid)}, got {go_quoted(str(response.get('uid') or ''))}")
    result = response.get("result")
    status = result.get("status", "") if isinstance(result, dict) else ""
    if status != SUCCESS:
        message = result.get("message") if isinstance(result, dict) else ""
        raise ConversionFailed(str(message or f"response.result.status was '{status}', not 'Success'"))
    objects = response.get("convertedObjects") or []
    return objects if isinstance(objects, list) else []


def _checked(original: Unstructured, value: Any, target: Resource[Any]) -> Unstructured:
    """One object of an answer. ConversionFailed has a second argument when it is the metadata that are wrong."""
    if not isinstance(value, dict):
        raise ConversionFailed(f"cannot be read: {go_type(value)}")
    api_version, kind = str(value.get("apiVersion") or ""), str(value.get("kind") or "")
    if api_version != target.api_version:
        raise ConversionFailed(f"invalid groupVersion (expected {target.api_version}, received {api_version})")
    if kind != original.kind:
        raise ConversionFailed(f"invalid kind (expected {original.kind}, received {kind})")
    metadata = value.get("metadata")
    said: Map = metadata if isinstance(metadata, dict) else {}
    for field, name in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        expected, got = getattr(original.metadata, field), said.get(field) or ""
        if expected != got:
            raise ConversionFailed(f"must have the same {name}: {expected} != {got}")
    if "metadata" not in value:
        raise ConversionFailed("missing metadata in converted object", "metadata")
    if not isinstance(metadata, dict):
        raise ConversionFailed(f"invalid metadata of type {go_type(metadata)} in converted object", "metadata")
    content = {name: field for name, field in value.items() if name not in TYPE_META}
    made: Unstructured = target.type(_restored(original.metadata, metadata), content)
    return made


def _restored(original: ObjectMeta, said: Map) -> ObjectMeta:
    """The metadata of the original with the labels and annotations of the converted object."""
    kept = msgspec.structs.replace(original)
    for field, validate, path in (("labels", validate_labels, "labels"), ("annotations", validate_annotations, "annotation")):
        values = said.get(field)
        if values is None:
            setattr(kept, field, {})
            continue
        if not isinstance(values, dict):
            raise ConversionFailed(f"invalid metadata.{field} of type {go_type(values)} in converted object", "metadata")
        for key, value in values.items():
            if not isinstance(value, str):
                raise ConversionFailed(f"metadata.{field}[{key}] must be a string, but is {go_type(value)} in converted object", "metadata")
        if values != getattr(original, field):
            problems = Problems("metadata")
            validate(values, problems.at(path))
            if problems:
                told = ", ".join(map(str, problems.found))
                raise ConversionFailed(f"[{told}]" if len(problems.found) > 1 else told, "metadata")
        setattr(kept, field, values)
    return kept
