"""A definition as upstream's validation sees it: what all versions share stands at the top, and values are shown by Go's names.

- `spec_of(definition)` moves schema, subresources, columns and selectable fields that are equal in all versions (so those of a single
  version too) to the top; paths of problems follow: `spec.validation.openAPIV3Schema...` rather than `spec.versions[0].schema...`.
- `shown_versions`, `shown_schema`, `shown_rule` are values as they appear in messages.

Upstream: apiextensions-apiserver pkg/apis/apiextensions (types, and their conversion from v1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pilothouse.api.types.apiextensions_v1 import (
    CustomResourceColumnDefinition,
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
    CustomResourceValidation,
    SelectableField,
)
from pilothouse.machinery import codec
from pilothouse.machinery.problems import go_json

Data = dict[str, Any]


@dataclass(slots=True)
class Served:
    """Fields of a version, or of all versions. `schema` is the openAPIV3Schema of `validation` as data."""

    validation: CustomResourceValidation | None = None
    schema: Data | None = None
    subresources: CustomResourceSubresources | None = None
    columns: list[CustomResourceColumnDefinition] = field(default_factory=list)
    selectable: list[SelectableField] = field(default_factory=list)

    @property
    def has_status(self) -> bool:
        """Whether /status is served."""
        return self.subresources is not None and self.subresources.status is not None


@dataclass(slots=True)
class Version(Served):
    """A version, without what stands at the top."""

    name: str = ""
    served: bool = False
    storage: bool = False
    deprecated: bool = False
    warning: str | None = None


@dataclass(slots=True)
class Spec(Served):
    """The spec of a definition."""

    group: str = ""
    scope: str = ""
    names: CustomResourceDefinitionNames = field(default_factory=CustomResourceDefinitionNames)
    version: str = ""
    versions: list[Version] = field(default_factory=list)
    conversion: CustomResourceConversion | None = None
    preserve: bool = False
    lists_versions: bool = True
    """Whether there is a list of versions, even an empty one."""

    def schemas(self) -> list[Data]:
        """Every schema of the definition."""
        return [part.schema for part in (self, *self.versions) if part.schema is not None]

    def subresources_of(self, version: Version) -> CustomResourceSubresources | None:
        """Subresources of a version."""
        return version.subresources if any(other.subresources is not None for other in self.versions) else self.subresources

    def schema_of(self, name: str) -> Data | None:
        """The schema that a version is served with."""
        if self.validation is not None:
            return self.schema
        return next((version.schema for version in self.versions if version.name == name), None)


def spec_of(definition: CustomResourceDefinition) -> Spec:
    """The spec with what its versions share at the top."""
    spec = definition.spec
    versions = [_version(version) for version in spec.versions or ()]
    made = Spec(
        group=spec.group,
        scope=spec.scope,
        names=spec.names,
        version=versions[0].name if versions else "",
        versions=versions,
        conversion=spec.conversion,
        preserve=spec.preserveUnknownFields,
        lists_versions=spec.versions is not None,
    )
    if not versions:
        return made
    first = versions[0]
    if all(version.validation == first.validation for version in versions):
        made.validation, made.schema = first.validation, first.schema
        for version in versions:
            version.validation = version.schema = None
    if all(version.subresources == first.subresources for version in versions):
        made.subresources = first.subresources
        for version in versions:
            version.subresources = None
    if all(version.columns == first.columns for version in versions):
        made.columns = first.columns
        for version in versions:
            version.columns = []
    if all(version.selectable == first.selectable for version in versions):
        made.selectable = first.selectable
        for version in versions:
            version.selectable = []
    return made


def _version(version: CustomResourceDefinitionVersion) -> Version:
    validation = version.schema
    schema = None if validation is None or validation.openAPIV3Schema is None else codec.to_dict(validation.openAPIV3Schema)
    return Version(
        validation=validation,
        schema=schema,
        subresources=version.subresources,
        columns=version.additionalPrinterColumns,
        selectable=version.selectableFields,
        name=version.name,
        served=version.served,
        storage=version.storage,
        deprecated=version.deprecated,
        warning=version.deprecationWarning,
    )


TEXT, FLAG, MAYBE, SCHEMA, SCHEMAS, FIELDS, OR_BOOL, OR_LIST, RULES, DEPENDENCIES, LIST, DOCS = range(12)
GO_FIELDS: tuple[tuple[str, str, int], ...] = (
    ("ID", "id", TEXT),
    ("Schema", "$schema", TEXT),
    ("Ref", "$ref", MAYBE),
    ("Description", "description", TEXT),
    ("Type", "type", TEXT),
    ("Nullable", "nullable", FLAG),
    ("Format", "format", TEXT),
    ("Title", "title", TEXT),
    ("Default", "default", MAYBE),
    ("Maximum", "maximum", MAYBE),
    ("ExclusiveMaximum", "exclusiveMaximum", FLAG),
    ("Minimum", "minimum", MAYBE),
    ("ExclusiveMinimum", "exclusiveMinimum", FLAG),
    ("MaxLength", "maxLength", MAYBE),
    ("MinLength", "minLength", MAYBE),
    ("Pattern", "pattern", TEXT),
    ("MaxItems", "maxItems", MAYBE),
    ("MinItems", "minItems", MAYBE),
    ("UniqueItems", "uniqueItems", FLAG),
    ("MultipleOf", "multipleOf", MAYBE),
    ("Enum", "enum", LIST),
    ("MaxProperties", "maxProperties", MAYBE),
    ("MinProperties", "minProperties", MAYBE),
    ("Required", "required", LIST),
    ("Items", "items", OR_LIST),
    ("AllOf", "allOf", SCHEMAS),
    ("OneOf", "oneOf", SCHEMAS),
    ("AnyOf", "anyOf", SCHEMAS),
    ("Not", "not", SCHEMA),
    ("Properties", "properties", FIELDS),
    ("AdditionalProperties", "additionalProperties", OR_BOOL),
    ("PatternProperties", "patternProperties", FIELDS),
    ("Dependencies", "dependencies", DEPENDENCIES),
    ("AdditionalItems", "additionalItems", OR_BOOL),
    ("Definitions", "definitions", FIELDS),
    ("ExternalDocs", "externalDocs", DOCS),
    ("Example", "example", MAYBE),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", MAYBE),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", FLAG),
    ("XIntOrString", "x-kubernetes-int-or-string", FLAG),
    ("XListMapKeys", "x-kubernetes-list-map-keys", LIST),
    ("XListType", "x-kubernetes-list-type", MAYBE),
    ("XMapType", "x-kubernetes-map-type", MAYBE),
    ("XValidations", "x-kubernetes-validations", RULES),
)
"""The fields of a schema in Go's order: name, name in JSON, form."""


def ordered(value: Any) -> msgspec.Raw:
    """JSON of Go's structs: fields stay in their order, where `go_json` sorts those of maps."""
    return msgspec.Raw(_ordered(value).encode())


def _ordered(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{go_json(name)}:{_ordered(below)}" for name, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_ordered, value)) + "]"
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else go_json(value)


def shown_schema(schema: Mapping[str, Any] | None) -> Data | None:
    """A schema by Go's names, with everything that is not set."""
    return None if schema is None else {name: shown(schema.get(key), form) for name, key, form in GO_FIELDS}


def shown(value: Any, form: int) -> Any:
    """A field's value by its form in `GO_FIELDS`."""
    if form == TEXT:
        return value or ""
    if form == FLAG:
        return bool(value)
    if value is None or (form in (SCHEMAS, FIELDS, RULES, LIST, DEPENDENCIES) and not value):
        return None
    if form == SCHEMA:
        return shown_schema(value)
    if form in (SCHEMAS, FIELDS):
        return (
            {name: shown_schema(below) for name, below in sorted(value.items())}
            if form == FIELDS
            else [shown_schema(below) for below in value]
        )
    if form == OR_BOOL:
        return {"Allows": value is not False, "Schema": _schema_or_none(value)}
    if form == OR_LIST:
        of_many = isinstance(value, list)
        return {
            "Schema": _schema_or_none(value),
            "JSONSchemas": [shown_schema(below) for below in value] if of_many else None,
        }
    if form == RULES:
        return [shown_rule(rule) for rule in value]
    if form == DOCS:
        return {"Description": value.get("description", ""), "URL": value.get("url", "")}
    if form == DEPENDENCIES:
        return {name: _dependency(below) for name, below in sorted(value.items())}
    return msgspec.Raw(go_json(value).encode())


def _dependency(value: Any) -> Data:
    """A schema or names; Go takes anything else for neither."""
    return {"Schema": _schema_or_none(value), "Property": value if isinstance(value, list) else None}


def _schema_or_none(value: Any) -> Data | None:
    return shown_schema(value) if isinstance(value, dict) else None


def shown_rule(rule: Mapping[str, Any]) -> Data:
    """A rule of x-kubernetes-validations by Go's names."""
    texts = {
        name: rule.get(key, "") for name, key in (("Rule", "rule"), ("Message", "message"), ("MessageExpression", "messageExpression"))
    }
    return texts | {"Reason": rule.get("reason"), "FieldPath": rule.get("fieldPath", ""), "OptionalOldSelf": rule.get("optionalOldSelf")}


def shown_versions(spec: Spec) -> msgspec.Raw:
    """The versions of a spec by Go's names."""
    return ordered([_shown_version(version) for version in spec.versions] if spec.versions or spec.lists_versions else None)


def _shown_version(version: Version) -> Data:
    schema = None if version.validation is None else {"OpenAPIV3Schema": shown_schema(version.schema)}
    return {
        "Name": version.name,
        "Served": version.served,
        "Storage": version.storage,
        "Deprecated": version.deprecated,
        "DeprecationWarning": version.warning,
        "Schema": schema,
        "Subresources": _shown_subresources(version.subresources),
        "AdditionalPrinterColumns": [_shown_column(column) for column in version.columns] or None,
        "SelectableFields": [{"JSONPath": selectable.jsonPath} for selectable in version.selectable] or None,
    }


def _shown_subresources(subresources: CustomResourceSubresources | None) -> Data | None:
    if subresources is None:
        return None
    scale = subresources.scale
    shown = scale and {
        "SpecReplicasPath": scale.specReplicasPath,
        "StatusReplicasPath": scale.statusReplicasPath,
        "LabelSelectorPath": scale.labelSelectorPath,
    }
    return {"Status": None if subresources.status is None else {}, "Scale": shown}


def _shown_column(column: CustomResourceColumnDefinition) -> Data:
    return {
        "Name": column.name,
        "Type": column.type,
        "Format": column.format,
        "Description": column.description,
        "Priority": column.priority,
        "JSONPath": column.jsonPath,
    }
