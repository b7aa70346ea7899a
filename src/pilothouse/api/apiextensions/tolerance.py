"""Ratcheting of definitions: what an update may keep because the old definition already had it.

Upstream: the options of ValidateCustomResourceDefinitionUpdate.
"""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.api.apiextensions import cabundle, conditions, naming, schemas, structure
from pilothouse.api.apiextensions.internal import Data, Spec
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.machinery.problems import Problems


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What an update may keep because the old definition already had it."""

    schema_needed: bool = True
    valid_types: bool = True
    structural: bool = True
    pruned_defaults: bool = True
    atomic_sets: bool = True
    strict_map_keys: bool = True
    known_review_version: bool = True
    any_ca_bundle: bool = True
    fixed_names: bool = False
    unchanged_schemas: frozenset[str] = frozenset()
    many_selectable: frozenset[str] = frozenset()


def tolerance_of(old: CustomResourceDefinition, before: Spec, after: Spec) -> Tolerance:
    """The tolerance for a change of a definition; `before` and `after` are the specs."""
    known = before.schemas()
    established = conditions.is_true(old, conditions.ESTABLISHED)
    webhook = before.conversion.webhook if before.conversion is not None else None
    reviews = webhook.conversionReviewVersions or [] if webhook is not None else []
    client = webhook.clientConfig if webhook is not None else None
    return Tolerance(
        schema_needed=before.schema is not None or all(version.schema is not None for version in before.versions),
        valid_types=not any(schemas.has(schema, _has_wrong_type) for schema in known),
        structural=not after.preserve or not any(map(_is_unstructural, known)),
        atomic_sets=not any(schemas.has(schema, _has_unatomic_set) for schema in known),
        strict_map_keys=not any(schemas.has(schema, _has_wrong_keys) for schema in known),
        known_review_version=not reviews or bool(set(naming.REVIEW_VERSIONS) & set(reviews)),
        any_ca_bundle=not established or bool(client is not None and client.caBundle and cabundle.bundle_problem(client.caBundle)),
        fixed_names=established,
        unchanged_schemas=frozenset(v.name for v in after.versions if after.schema_of(v.name) == before.schema_of(v.name)),
        many_selectable=_many_selectable(before, after),
    )


def _has_wrong_type(schema: schemas.Schema) -> bool:
    return bool(schema.get("type")) and schema["type"] not in schemas.TYPES


def _has_unatomic_set(schema: schemas.Schema) -> bool:
    return bool(schemas.is_unatomic(schema))


def _has_wrong_keys(schema: schemas.Schema) -> bool:
    problems = Problems()
    schemas.validate_keys(schema, problems)
    return bool(problems)


def _is_unstructural(schema: Data) -> bool:
    problems = Problems()
    if structure.unreadable(schema):
        return True
    structure.validate(schema, problems)
    return bool(problems)


def _many_selectable(before: Spec, after: Spec) -> frozenset[str]:
    """Where more selectable fields than are allowed stay as they are: the names of versions, "" for what all versions share."""
    known = {version.name: version.selectable for version in before.versions} | {"": before.selectable}
    parts = [("", after.selectable), *((version.name, version.selectable) for version in after.versions)]
    return frozenset(name for name, fields in parts if len(known.get(name, ())) > naming.MOST_SELECTABLE_FIELDS and fields == known[name])
