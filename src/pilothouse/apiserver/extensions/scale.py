"""Scale of custom resources, by the paths in their definition.

Upstream: ScaleREST of apiextensions-apiserver (pkg/registry/customresource/etcd.go).
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.autoscaling_v1 import Scale, ScaleSpec, ScaleStatus
from pilothouse.machinery.errors import bad_request, failure, internal_error
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.patch.document import go_text, go_type
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.resource import Scale as Paths
from pilothouse.machinery.strconv import INT32
from pilothouse.machinery.unstructured import Unstructured

NEVER_SET = INT32.start
"""The count that an update sees of an object which has none: a patch must say it."""


def _paths(resource: Resource[Any]) -> Paths:
    paths = resource.subresources["scale"]
    assert isinstance(paths, Paths)
    return paths


def nested(obj: Unstructured, path: str, kind: type[int] | type[str]) -> Any:
    """The value at a dotted path; None where there is none. ValueError in upstream's words for one of another type."""
    steps = path.split(".")
    value: Any = obj.content
    for index, step in enumerate(steps):
        if value is None:
            return None
        if not isinstance(value, dict):
            where = "".join(f".{name}" for name in steps[: index + 1])
            raise ValueError(f"{where} accessor error: {go_text(value)} is of the type {go_type(value)}, expected map[string]interface{{}}")
        if step not in value:
            return None
        value = value[step]
    if type(value) is not kind:
        wanted = "int64" if kind is int else "string"
        raise ValueError(f".{path} accessor error: {go_text(value)} is of the type {_type(value)}, expected {wanted}")
    return value


def _type(value: Any) -> str:
    return "<nil>" if value is None else go_type(value)


def metadata_of(obj: Any) -> ObjectMeta:
    """Metadata of a Scale, from the object's."""
    meta = obj.metadata
    return ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
        creationTimestamp=meta.creationTimestamp,
    )


def read(resource: Resource[Any], obj: Unstructured) -> Scale:
    """The Scale; its count is NEVER_SET where the object has none. A StatusError 500 for values of another type."""
    paths = _paths(resource)
    try:
        replicas = nested(obj, paths.replicas, int)
        shown = nested(obj, paths.status_replicas, int)
        selector = nested(obj, paths.selector, str) if paths.selector else None
    except ValueError as error:
        raise failure(500, "", str(error)) from error
    return Scale(
        metadata=metadata_of(obj),
        spec=ScaleSpec(replicas=NEVER_SET if replicas is None else replicas),
        status=ScaleStatus(replicas=shown or 0, selector=selector or ""),
    )


def check_shown(resource: Resource[Any], scale: Scale) -> None:
    """Refuse to show a Scale without a count."""
    if scale.spec.replicas == NEVER_SET:
        raise internal_error(f"the spec replicas field {go_quoted(f'.{_paths(resource).replicas}')} does not exist")


def write(resource: Resource[Any], new: Unstructured, scale: Scale) -> None:
    """Set the count of an object, a copy of the old one whose content may be changed."""
    path = _paths(resource).replicas
    if scale.spec.replicas == NEVER_SET:
        raise bad_request(f"the spec replicas field {go_quoted(f'.{path}')} cannot be empty")
    *steps, last = path.split(".")
    value: Any = new.content
    for index, step in enumerate(steps):
        value = value.setdefault(step, {})
        if not isinstance(value, dict):
            where = "".join(f".{name}" for name in steps[: index + 1])
            raise failure(500, "", f"value cannot be set because {where} is not a map[string]interface{{}}")
    value[last] = scale.spec.replicas or 0


def validate(resource: Resource[Any], obj: Unstructured, problems: Problems, *, spec: bool = True) -> None:
    """Validate what a Scale needs of an object: counts that are not negative, a selector that is text."""
    paths = resource.subresources.get("scale")
    if not isinstance(paths, Paths):
        return
    for path, is_checked in ((paths.replicas, spec), (paths.status_replicas, True)):
        if is_checked:
            _validate_count(obj, path, problems.at(f".{path}"))
    if paths.selector:
        try:
            nested(obj, paths.selector, str)
        except ValueError as error:
            problems.at(f".{paths.selector}").invalid("", str(error))


def _validate_count(obj: Unstructured, path: str, problems: Problems) -> None:
    try:
        count = nested(obj, path, int) or 0
    except ValueError as error:
        problems.invalid(0, str(error))
        return
    if count < 0:
        problems.invalid(count, "should be a non-negative integer")
    elif count >= INT32.stop:
        problems.invalid(count, f"should be less than or equal to {INT32.stop - 1}")
