"""`pods/resize`: changes container resources of a running Pod. Rules: api/core/podresize.py."""

from __future__ import annotations

from typing import Any

from pilothouse.api.core.pod import default_pod_level
from pilothouse.api.core.podresize import validate_resize
from pilothouse.api.types.core_v1 import Pod
from pilothouse.apiserver.registry.strategy import raise_problems
from pilothouse.apiserver.registry.view import View, with_metadata_of
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource


def write(resource: Resource[Any], old: Pod, body: Pod) -> Pod:
    """The old pod with the resources of the new one; when its containers are others, the new one as it is, to be refused."""
    new = with_metadata_of(old, body)
    for kind in ("containers", "initContainers"):
        kept, wanted = getattr(new.spec, kind), getattr(body.spec, kind)
        if [container.name for container in kept] != [container.name for container in wanted]:
            setattr(new.spec, kind, wanted)
            continue
        for container, asked in zip(kept, wanted, strict=True):
            container.resources = asked.resources
            container.resizePolicy = asked.resizePolicy
    if body.spec.resources is not None:
        new.spec.resources = body.spec.resources
        default_pod_level(new.spec)
    if new.spec != old.spec and new.metadata.generation:
        new.metadata.generation += 1
    return new


def check(resource: Resource[Any], old: Pod, new: Pod) -> None:
    """Validate the change. Raises a 422 with all problems."""
    problems = Problems()
    for validate in resource.validators:
        validate(new, problems)
    validate_resize(old, new, problems)
    raise_problems(resource, new.metadata.name, problems)


RESIZE = View("resize", write, check, plurals=frozenset({("", "pods")}), defaulted=True)
