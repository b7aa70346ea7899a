"""`pods/ephemeralcontainers`: adds ephemeral containers to a running Pod. Rules: api/core/podupdate.py."""

from __future__ import annotations

from typing import Any

from pilothouse.api.core.podupdate import validate_ephemeral_update
from pilothouse.api.types.core_v1 import Pod
from pilothouse.apiserver.registry.strategy import raise_problems
from pilothouse.apiserver.registry.view import View, with_metadata_of
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource


def write(resource: Resource[Any], old: Pod, body: Pod) -> Pod:
    """The old pod with the ephemeral containers of the body, and a new generation when they differ."""
    new = with_metadata_of(old, body)
    new.spec.ephemeralContainers = body.spec.ephemeralContainers
    if new.spec.ephemeralContainers != old.spec.ephemeralContainers and new.metadata.generation:
        new.metadata.generation += 1
    return new


def check(resource: Resource[Any], old: Pod, new: Pod) -> None:
    """Validate the change. Raises a 422 with all problems."""
    problems = Problems()
    for validate in resource.validators:
        validate(new, problems)
    validate_ephemeral_update(old, new, problems)
    raise_problems(resource, new.metadata.name, problems)


EPHEMERAL_CONTAINERS = View("ephemeralcontainers", write, check, plurals=frozenset({("", "pods")}), defaulted=True)
