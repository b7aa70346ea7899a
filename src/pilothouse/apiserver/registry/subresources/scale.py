"""`/scale`: replica count of any kind that has one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from pilothouse.api.earlier import EARLIER
from pilothouse.api.types.autoscaling_v1 import Scale, ScaleSpec, ScaleStatus
from pilothouse.apiserver.extensions import scale as custom
from pilothouse.apiserver.extensions.columns import columns_of
from pilothouse.apiserver.registry import strategy
from pilothouse.apiserver.registry.view import View, with_metadata_of
from pilothouse.machinery import labels
from pilothouse.machinery.errors import invalid
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource, per_resource
from pilothouse.machinery.unstructured import Unstructured

DESIRED = "replicas is the desired number of instances for the scaled object."
AVAILABLE = "replicas is the actual number of observed instances of the scaled object."
COLUMNS = (
    Column("Name", lambda scale: scale.metadata.name),
    Column("Desired", lambda scale: scale.spec.replicas, "integer", description=DESIRED),
    Column("Available", lambda scale: scale.status.replicas, "integer", description=AVAILABLE),
    AGE,
)
BODY = Resource(Scale, plural="scales", verbs=(), columns=COLUMNS)
OF_CUSTOM = Resource(
    Scale,
    plural="scales",
    verbs=(),
    columns=(
        Column("Desired", lambda scale: scale.spec.replicas, "integer", description="Number of desired replicas", raw=True),
        Column("Available", lambda scale: scale.status.replicas, "integer", description="Number of actual replicas", raw=True),
        *columns_of(()),
    ),
)
"""The same of a custom kind, whose Table upstream makes by other columns."""


def _at(obj: Any, path: str) -> Any:
    return reduce(lambda value, step: getattr(value, step, None), path.split("."), obj)


def read(resource: Resource[Any], obj: Any) -> Scale:
    """The object's replicas and selector as a Scale."""
    if isinstance(obj, Unstructured):
        return custom.read(resource, obj)
    paths: Any = resource.subresources["scale"]
    selector = _at(obj, paths.selector)
    chosen = labels.from_label_selector(selector) if isinstance(selector, LabelSelector) else labels.match_labels(selector or {})
    return Scale(
        metadata=custom.metadata_of(obj),
        spec=ScaleSpec(replicas=_at(obj, paths.replicas)),
        status=ScaleStatus(replicas=_at(obj, paths.status_replicas) or 0, selector=str(chosen)),
    )


def write(resource: Resource[Any], old: Any, body: Scale) -> Any:
    """The old object with the replicas of the body. Raises a 422 for a negative number."""
    if isinstance(old, Unstructured):
        made = with_metadata_of(old, body)
        custom.write(resource, made, body)
        strategy.prepare_update(resource, old, made)
        return made
    replicas = body.spec.replicas or 0
    if replicas < 0:
        problems = Problems("spec.replicas")
        problems.invalid(replicas, "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", old.metadata.name, problems.found)
    new = with_metadata_of(old, body)
    paths: Any = resource.subresources["scale"]
    *steps, last = paths.replicas.split(".")
    setattr(_at(new, ".".join(steps)), last, replicas)
    strategy.prepare_update(resource, old, new)
    return new


@per_resource
def replicas_paths(resource: Resource[Any]) -> Mapping[str, tuple[str, ...] | None]:
    """By version, where an object has its replica count, as a path of a set of fields; None for a version without a Scale.

    Upstream knows the versions of apps that it serves no more, too.
    """
    earlier = {
        f"{group}/{version}": _path(resource)
        for (group, version), kinds in EARLIER.items()
        if group == resource.group == "apps" and resource.kind in kinds
    }
    versions = resource.versions or (resource,)
    return {**earlier, **{version.api_version: _path(version) for version in versions}}


def _path(resource: Resource[Any]) -> tuple[str, ...] | None:
    paths: Any = resource.subresources.get("scale")
    return None if paths is None else tuple(f"f:{step}" for step in paths.replicas.split("."))


SCALE = View(
    "scale",
    write,
    strategy.validate_update,
    read=read,
    body=BODY,
    custom_body=OF_CUSTOM,
    replicas=replicas_paths,
    check_shown=custom.check_shown,
)
