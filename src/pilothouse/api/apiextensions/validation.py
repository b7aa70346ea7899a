"""Validation of a definition of custom resources, and of its changes.

- `validate` and `validate_update` report everything in upstream's order and words; what was already wrong before an update may stay wrong
  where upstream allows it (`Tolerance`).
- `Rules` is what compiles CEL rules; it is given by who knows CEL.

Upstream: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pilothouse.api.apiextensions import cabundle, conditions, defaults, naming, schemas, structure
from pilothouse.api.apiextensions.internal import (
    GO_FIELDS,
    Data,
    Served,
    Spec,
    Version,
    ordered,
    shown,
    shown_schema,
    shown_versions,
    spec_of,
)
from pilothouse.api.apiextensions.tolerance import Tolerance, tolerance_of
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.structural.schema import Node

PRESERVE_FORBIDDEN = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
WARNING_BYTES = 256
AT_ROOT_WITH_STATUS = (
    "Description",
    "Type",
    "Format",
    "Title",
    "Maximum",
    "ExclusiveMaximum",
    "Minimum",
    "ExclusiveMinimum",
    "MaxLength",
    "MinLength",
    "Pattern",
    "MaxItems",
    "MinItems",
    "UniqueItems",
    "MultipleOf",
    "Required",
    "Items",
    "Properties",
    "ExternalDocs",
    "Example",
    "XPreserveUnknownFields",
    "XValidations",
)


class Rules(Protocol):
    """The CEL rules of a schema: `context` compiles them, `check_default` runs those of a schema on its default."""

    def context(self, schema: Data, *, any_cost: bool) -> schemas.Context:
        """The context of a resource's schema."""

    def total(self, context: schemas.Context, problems: Problems) -> None:
        """Report where all rules of a schema together cost too much."""

    def check_default(self, node: Node, default: Any, problems: Problems, is_resource: bool) -> None:
        """Report the rules of a schema that its own default breaks."""


def validate(definition: CustomResourceDefinition, problems: Problems, rules: Rules | None = None) -> None:
    """Report what is wrong with a new definition, metadata apart."""
    _validate(definition, spec_of(definition), problems, Tolerance(), rules)
    _approval(definition, None, problems)
    if definition.spec.preserveUnknownFields:
        problems.at("spec", "preserveUnknownFields").invalid(True, PRESERVE_FORBIDDEN)


def validate_update(old: CustomResourceDefinition, new: CustomResourceDefinition, problems: Problems, rules: Rules | None = None) -> None:
    """Report what is wrong with a change of a definition, metadata apart."""
    before, spec = spec_of(old), spec_of(new)
    tolerance = tolerance_of(old, before, spec)

    def changes() -> None:
        here = problems.at("spec")
        fixed = [("scope", before.scope, spec.scope, ("scope",)), ("kind", before.names.kind, spec.names.kind, ("names", "kind"))]
        always = [("group", before.group, spec.group, ("group",)), ("plural", before.names.plural, spec.names.plural, ("names", "plural"))]
        for _, was, value, steps in [*(fixed if tolerance.fixed_names else ()), *always]:
            if was != value:
                here.at(*steps).invalid(value, IMMUTABLE)

    _validate(new, spec, problems, tolerance, rules, changes)
    _approval(new, old, problems)
    if new.spec.preserveUnknownFields and not old.spec.preserveUnknownFields:
        problems.at("spec", "preserveUnknownFields").invalid(True, PRESERVE_FORBIDDEN)


def validate_status(definition: CustomResourceDefinition, problems: Problems) -> None:
    """Report what is wrong with a status that is written."""
    naming.validate_names(definition.status.acceptedNames, problems.at("status", "acceptedNames"))


def _validate(
    definition: CustomResourceDefinition,
    spec: Spec,
    problems: Problems,
    tolerance: Tolerance,
    rules: Rules | None,
    changes: Callable[[], None] | None = None,
) -> None:
    wanted = f"{spec.names.plural}.{spec.group}"
    if changes is None and definition.metadata.name != wanted:
        problems.at("metadata", "name").invalid(definition.metadata.name, 'must be spec.names.plural+"."+spec.group')
    _spec(spec, problems.at("spec"), tolerance, rules)
    if changes is not None:
        changes()
    validate_status(definition, problems)
    _stored_versions(definition.status.storedVersions or [], spec, problems.at("status", "storedVersions"))


def _spec(spec: Spec, problems: Problems, tolerance: Tolerance, rules: Rules | None) -> None:
    _group_and_scope(spec, problems)
    if spec.schema is None:
        _schemas_needed(spec, problems, tolerance)
    if spec.preserve and any(schemas.has(schema, _has_default) for schema in spec.schemas()):
        problems.at("preserveUnknownFields").invalid(True, "must be false in order to use defaults in the schema")
    for index, version in enumerate(spec.versions):
        here = problems.at("versions", index)
        naming.label(version.name, here.at("name"))
        _warning(version, here.at("deprecationWarning"))
        subresources = spec.subresources_of(version)
        has_status = subresources is not None and subresources.status is not None
        _schema(version, has_status, here.at("schema"), tolerance, rules, version.name)
        naming.validate_subresources(version.subresources, here.at("subresources"))
        _columns(version, here)
        if version.selectable and version.schema is None:
            here.at("selectableFields").invalid("", "may only be set when `version.schema.openAPIV3Schema` is not included")
        else:
            _selectable(version, here, tolerance, version.name)
    _versions(spec, problems)
    _names(spec, problems.at("names"))
    any_status = spec.has_status or any(version.has_status for version in spec.versions)
    _schema(spec, any_status, problems.at("validation"), tolerance, rules, spec.version)
    naming.validate_subresources(spec.subresources, problems.at("subresources"))
    _columns(spec, problems)
    if spec.selectable and spec.validation is None:
        problems.at("selectableFields").invalid("", "may only be set when validations.schema is included")
    else:
        _selectable(spec, problems, tolerance, "")
    _conversion(spec, problems, tolerance)


def _group_and_scope(spec: Spec, problems: Problems) -> None:
    if not spec.group:
        problems.at("group").required()
    elif wrong := names.dns_subdomain(spec.group):
        problems.at("group").invalid(spec.group, ",".join(wrong))
    elif "." not in spec.group:
        problems.at("group").invalid(spec.group, "should be a domain with at least one dot")
    if not spec.scope:
        problems.at("scope").required()
    elif spec.scope not in ("Cluster", "Namespaced"):
        problems.at("scope").not_supported(spec.scope, ("Cluster", "Namespaced"))


def _schemas_needed(spec: Spec, problems: Problems, tolerance: Tolerance) -> None:
    for index, version in enumerate(spec.versions):
        here = problems.at("versions", index, "schema", "openAPIV3Schema")
        if version.schema is None and tolerance.schema_needed:
            here.required()
        elif version.schema is None and not spec.preserve and version.served:
            here.required("because otherwise all fields are pruned")


def _has_default(schema: schemas.Schema) -> bool:
    return schema.get("default") is not None


def _warning(version: Version, problems: Problems) -> None:
    warning = version.warning
    if warning is None:
        return
    told = ordered(warning)
    if not version.deprecated:
        problems.invalid(told, "can only be set for deprecated versions")
        return
    if len(warning.encode()) > WARNING_BYTES:
        problems.invalid(told, f"must be <= {WARNING_BYTES} characters long")
    if not warning:
        problems.invalid(told, "must not be an empty string")
    wrong = next((index for index, character in enumerate(warning) if not character.isprintable()), None)
    if wrong is not None:
        at = len(warning[:wrong].encode())
        problems.invalid(told, f"must only contain printable UTF-8 characters; non-printable character found at index {at}")


def _schema(part: Served, has_status: bool, problems: Problems, tolerance: Tolerance, rules: Rules | None, version: str) -> None:
    """The schema of a version, or of all of them."""
    schema = part.schema
    if schema is None:
        return
    here, before = problems.at("openAPIV3Schema"), len(problems.found)
    if has_status:
        _root_with_status(schema, here)
    if schema.get("nullable"):
        here.at("nullable").forbidden("nullable cannot be true at the root")
    unreadable = structure.unreadable(schema) if tolerance.structural else ""
    context: schemas.Context | None = None
    if tolerance.structural and not unreadable:
        start = len(problems.found)
        structure.validate(schema, here)
        if len(problems.found) == start and schemas.has(schema, _has_default):
            defaults.validate(
                schema, here, pruned=tolerance.pruned_defaults, check_rules=rules.check_default if rules is not None else None
            )
        if len(problems.found) == start and rules is not None:
            context = rules.context(schema, any_cost=version in tolerance.unchanged_schemas)
    scope = schemas.Scope(tolerance.valid_types, tolerance.atomic_sets, tolerance.strict_map_keys)
    cel = Problems(here.path)
    schemas.Walk(here, cel).validate(schema, (), scope, context, root=True)
    problems.found += cel.found
    if unreadable and len(problems.found) == before:
        here.invalid("", unreadable)
    if context is not None and rules is not None:
        rules.total(context, here)


def _root_with_status(schema: Data, problems: Problems) -> None:
    """Where the status is validated by its own schema, the root may say nothing that would be lost."""
    for name, key, form in GO_FIELDS:
        if not shown(schema.get(key), form) and schema.get(key) is None:
            continue
        if name == "Type":
            if schema["type"] != "object":
                words = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
                problems.at("type").invalid(schema["type"], words)
                return
        elif name not in AT_ROOT_WITH_STATUS:
            words = (
                f"only [{' '.join(AT_ROOT_WITH_STATUS)}] fields are allowed at the root of the schema if the status subresource is enabled"
            )
            problems.invalid(ordered(shown_schema(schema)), words)
            return


def _columns(part: Served, problems: Problems) -> None:
    for index, column in enumerate(part.columns):
        naming.validate_column(column, problems.at("additionalPrinterColumns", index))


def _selectable(part: Served, problems: Problems, tolerance: Tolerance, version: str) -> None:
    if not part.selectable:
        return
    if unreadable := structure.unreadable(part.schema):
        problems.at("schema.openAPIV3Schema").invalid("", unreadable)
    many = version in tolerance.many_selectable
    naming.validate_selectable(part.selectable, part.schema or {}, problems.at("selectableFields"), any_number=many)


def _versions(spec: Spec, problems: Problems) -> None:
    here, known = problems.at("versions"), [version.name for version in spec.versions]
    if len(set(known)) < len(known):
        here.invalid(shown_versions(spec), "must contain unique version names")
    if sum(version.storage for version in spec.versions) != 1:
        here.invalid(shown_versions(spec), "must have exactly one version marked as storage version")
    if spec.version:
        naming.label(spec.version, problems.at("version"))


def _names(spec: Spec, problems: Problems) -> None:
    for name in ("plural", "singular", "kind", "listKind"):
        if not getattr(spec.names, name):
            problems.at(name).required()
    naming.validate_names(spec.names, problems)


def _conversion(spec: Spec, problems: Problems, tolerance: Tolerance) -> None:
    conversion, here = spec.conversion, problems.at("conversion")
    if conversion is not None and conversion.strategy != "None" and spec.preserve:
        here.at("strategy").invalid(conversion.strategy, "must be None if spec.preserveUnknownFields is true")
    client = conversion.webhook.clientConfig if conversion is not None and conversion.webhook is not None else None
    ca_problem = cabundle.bundle_problem(client.caBundle) if client is not None and not tolerance.any_ca_bundle else ""
    naming.validate_conversion(
        conversion, here, known_version=tolerance.known_review_version, any_ca_bundle=tolerance.any_ca_bundle, ca_problem=ca_problem
    )


def _stored_versions(stored: list[str], spec: Spec, problems: Problems) -> None:
    if not stored:
        problems.invalid(stored or None, "must have at least one stored version")
        return
    left = {name: index for index, name in enumerate(stored)}
    for version in spec.versions:
        if version.storage and version.name not in left:  # also where an earlier version has this name: upstream counts each name once
            problems.invalid(stored, f"must have the storage version {version.name}")
        left.pop(version.name, None)
    for name, index in left.items():
        words = (
            f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage "
            f"migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
        )
        problems.at(index).invalid(name, words)


def _approval(definition: CustomResourceDefinition, old: CustomResourceDefinition | None, problems: Problems) -> None:
    """Groups of the Kubernetes community need an annotation that says where they were approved."""
    state = conditions.approval(definition)
    before = conditions.approval(old) if old is not None else None
    if state is None or (before is not None and before.reason == state.reason):
        return
    here = problems.at("metadata", "annotations", f"[{conditions.APPROVED_ANNOTATION}]")
    if state.reason == "MissingAnnotation":
        here.required(state.message)
    elif state.reason == "InvalidAnnotation":
        here.invalid(definition.metadata.annotations[conditions.APPROVED_ANNOTATION], state.message)
