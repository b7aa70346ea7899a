"""OpenAPI version 2 of extension API servers, merged into this server's: what it has under the paths of one group and version.

- Definitions that the kept paths do not use are left out, but for those that no path uses at all.
- A definition of a name that is taken is the same one where both say the same, otherwise it is renamed (`name_v2`) with what refers to it.
- A path that is taken stays what it is.

Upstream: kube-openapi/pkg/aggregator (FilterSpecByPathsWithoutSideEffects, MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.apiserver.openapi.custom import GVK
from pilothouse.apiserver.openapi.definitions import references

DEFINITIONS, PARAMETERS = "#/definitions/", "#/parameters/"
Parts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """The parts of a document that are merged, by name."""

    paths: Parts = field(default_factory=dict)
    definitions: Parts = field(default_factory=dict)
    parameters: Parts = field(default_factory=dict)


def filtered(document: Any, prefix: str) -> Spec:
    """The parts of a document below the paths that begin with `prefix`; nothing for an invalid document."""
    paths, definitions, parameters = (_members(document, name) for name in ("paths", "definitions", "parameters"))
    kept = {path: item for path, item in paths.items() if path.startswith(prefix)}
    used, used_before = _used(kept, definitions), _used(paths, definitions)
    named = {name: schema for name, schema in definitions.items() if name in used or name not in used_before}
    return Spec(kept, named, parameters)


def _members(document: Any, name: str) -> Parts:
    members = document.get(name) if isinstance(document, dict) else None
    return {key: value for key, value in members.items() if isinstance(value, dict)} if isinstance(members, dict) else {}


def _used(paths: Parts, definitions: Parts) -> set[str]:
    """The definitions that paths refer to, and those that these refer to."""
    used: set[str] = set()
    waiting = [*references(list(paths.values()))]
    while waiting:
        name = waiting.pop().removeprefix(DEFINITIONS)
        if name not in used and name in definitions:
            used.add(name)
            waiting.extend(references(definitions[name]))
    return used


def renamed(spec: Spec, taken: Mapping[str, Any]) -> Spec:
    """The spec beside definitions that there are already: what differs of them under the same name gets another."""
    renames: dict[str, str] = {}
    for name, schema in spec.definitions.items():
        if name in taken and not _alike(schema, taken[name]):
            renames[name] = _free(name, schema, taken, spec.definitions)
    if not renames:
        return spec
    definitions = {renames.get(name, name): _referring(schema, renames) for name, schema in spec.definitions.items()}
    return Spec(_referring(spec.paths, renames), definitions, _referring(spec.parameters, renames))


def _free(name: str, schema: Any, taken: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    number = 2
    while (other := f"{name}_v{number}") in own or (other in taken and not _alike(schema, taken[other])):
        number += 1
    return other


def _alike(left: Any, other: Any) -> bool:
    """Whether two schemas say the same, whichever kinds they say that they are of."""
    return {key: value for key, value in left.items() if key != GVK} == {key: value for key, value in other.items() if key != GVK}


def _referring(value: Any, renames: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _reference(below, renames) if key == "$ref" else _referring(below, renames) for key, below in value.items()}
    return [_referring(below, renames) for below in value] if isinstance(value, list) else value


def _reference(value: Any, renames: Mapping[str, str]) -> Any:
    name = value.removeprefix(DEFINITIONS) if isinstance(value, str) else ""
    return DEFINITIONS + renames[name] if name in renames else value
