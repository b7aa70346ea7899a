"""Names of admission configurations that upstream reads from files (KEP-5793): the API refuses to make such objects."""

from __future__ import annotations

from typing import Any

from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource

STATIC_SUFFIX = ".static.k8s.io"
RESERVED = f'names ending with "{STATIC_SUFFIX}" are reserved for static manifest-based configurations and cannot be managed via the API'


def reserve_static_names(resource: Resource[Any]) -> None:
    """Refuse new objects of a kind with the reserved suffix, and warn of updates of objects that were made before it was reserved."""
    resource.validate_create(_validate_name)
    resource.warn(_warnings)


def _validate_name(obj: Any, problems: Problems) -> None:
    if obj.metadata.name.endswith(STATIC_SUFFIX):
        problems.at("metadata", "name").invalid(obj.metadata.name, RESERVED)


def _warnings(new: Any, old: Any | None) -> list[str]:
    return [f"metadata.name: {RESERVED}"] if old is not None and new.metadata.name.endswith(STATIC_SUFFIX) else []
