"""Validation of a definition's names, printer columns, subresources, selectable fields and conversion.

Upstream: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from pilothouse.api.admissionregistration.rules import validate_service, validate_url
from pilothouse.api.apiextensions import fieldpaths
from pilothouse.api.apiextensions.internal import Data, ordered
from pilothouse.api.types.apiextensions_v1 import (
    CustomResourceColumnDefinition,
    CustomResourceConversion,
    CustomResourceDefinitionNames,
    CustomResourceSubresources,
    SelectableField,
    WebhookClientConfig,
)
from pilothouse.machinery import names as rules_of_names
from pilothouse.machinery.problems import Problems

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MOST_SELECTABLE_FIELDS = 8
SELECTABLE_TYPES = ("string", "boolean", "integer")
REVIEW_VERSIONS = ("v1", "v1beta1")
MIXED = "may have mixed case, but should otherwise match: "
NOT_SCALAR = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
NO_WEBHOOK = "should not be set when strategy is not set to Webhook"


def label(value: str, problems: Problems, *, mixed: bool = False) -> None:
    """A DNS label that begins with a letter."""
    if wrong := rules_of_names.dns1035_label(value.lower() if mixed else value):
        problems.invalid(value, (MIXED if mixed else "") + ",".join(wrong))


def validate_names(names: CustomResourceDefinitionNames, problems: Problems) -> None:
    """The names of a kind, those that are set."""
    for field in ("plural", "singular"):
        if value := getattr(names, field):
            label(value, problems.at(field))
    for field in ("kind", "listKind"):
        if value := getattr(names, field):
            label(value, problems.at(field), mixed=True)
    for index, short in enumerate(names.shortNames):
        label(short, problems.at("shortNames", index))
    if names.kind and names.kind == names.listKind:
        problems.at("listKind").invalid(names.listKind, "kind and listKind may not be the same")
    for index, category in enumerate(names.categories):
        label(category, problems.at("categories", index))


def validate_column(column: CustomResourceColumnDefinition, problems: Problems) -> None:
    """A printer column."""
    if not column.name:
        problems.at("name").required()
    one_of_types = f"must be one of {','.join(COLUMN_TYPES)}"
    if not column.type:
        problems.at("type").required(one_of_types)
    elif column.type not in COLUMN_TYPES:
        problems.at("type").invalid(column.type, one_of_types)
    if column.format and column.format not in COLUMN_FORMATS:
        problems.at("format").invalid(column.format, f"must be one of {','.join(COLUMN_FORMATS)}")
    if not column.jsonPath:
        problems.at("JSONPath").required()
    else:
        _simple_path(column.jsonPath, problems.at("JSONPath"))


def validate_subresources(subresources: CustomResourceSubresources | None, problems: Problems) -> None:
    """The paths of /scale."""
    scale = subresources.scale if subresources is not None else None
    if scale is None:
        return
    for field, value, under in (
        ("specReplicasPath", scale.specReplicasPath, (".spec.",)),
        ("statusReplicasPath", scale.statusReplicasPath, (".status.",)),
        ("labelSelectorPath", scale.labelSelectorPath, (".spec.", ".status.")),
    ):
        here = problems.at(f"scale.{field}")
        if not value:
            if field != "labelSelectorPath":
                here.required()
        elif _simple_path(value, here) and not value.startswith(under):
            said = "either .spec or .status" if len(under) > 1 else under[0].removesuffix(".")
            shown = ordered(value) if field == "labelSelectorPath" else value
            here.invalid(shown, f"should be a json path under {said}")


def _simple_path(path: str, problems: Problems) -> bool:
    if path.startswith("."):
        return True
    problems.invalid(path, "must be a simple json path starting with .")
    return False


def validate_selectable(fields: list[SelectableField], schema: Data, problems: Problems, *, any_number: bool) -> None:
    """Selectable fields: paths to scalars of the schema, outside of metadata, each once."""
    known: set[tuple[str, ...]] = set()
    for index, field in enumerate(fields):
        here, path = problems.at(index, "jsonPath"), field.jsonPath
        if not path:
            here.required()
            continue
        try:
            steps, leads_to = fieldpaths.resolve(path, schema, brackets=False)
        except fieldpaths.WrongPath as error:
            here.invalid(path, f"is an invalid path: {error}")
            continue
        if steps[:1] == ["metadata"]:
            here.invalid(path, "must not point to fields in metadata")
        if leads_to.get("type") not in SELECTABLE_TYPES:
            here.invalid(path, NOT_SCALAR)
        if tuple(steps) in known:
            here.duplicate(path)
        known.add(tuple(steps))
    if len(known) > MOST_SELECTABLE_FIELDS and not any_number:
        problems.too_many(len(known), MOST_SELECTABLE_FIELDS)


def validate_conversion(
    conversion: CustomResourceConversion | None, problems: Problems, *, known_version: bool, any_ca_bundle: bool, ca_problem: str = ""
) -> None:
    """Validate the conversion strategy. `ca_problem` is the error of its CA bundle."""
    if conversion is None:
        return
    webhook, strategy = conversion.webhook, conversion.strategy
    if not strategy:
        problems.at("strategy").required()
    elif strategy not in ("None", "Webhook"):
        problems.at("strategy").not_supported(strategy, ("None", "Webhook"))
    client = webhook.clientConfig if webhook is not None else None
    versions = webhook.conversionReviewVersions or [] if webhook is not None else []
    if strategy == "Webhook":
        if client is None:
            problems.at("webhookClientConfig").required("required when strategy is set to Webhook")
        else:
            _validate_client(client, problems.at("webhookClientConfig"), any_ca_bundle, ca_problem)
        _validate_review_versions(versions, problems.at("conversionReviewVersions"), known_version)
        return
    if client is not None:
        problems.at("webhookClientConfig").forbidden(NO_WEBHOOK)
    if versions:
        problems.at("conversionReviewVersions").forbidden(NO_WEBHOOK)


def _validate_client(client: WebhookClientConfig, problems: Problems, any_ca_bundle: bool, ca_problem: str) -> None:
    if (client.url is None) == (client.service is None):
        problems.required("exactly one of url or service is required")
    elif client.url is not None:
        validate_url(client.url, problems.at("url"))
    elif client.service is not None:
        validate_service(client.service, problems.at("service"))
    if client.caBundle and not any_ca_bundle and ca_problem:
        problems.at("caBundle").invalid(client.caBundle, ca_problem)


def _validate_review_versions(versions: list[str], problems: Problems, known_version: bool) -> None:
    if not versions:
        problems.required()
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            problems.at(index).invalid(version, "duplicate version")
            continue
        for wrong in rules_of_names.dns1035_label(version):
            problems.at(index).invalid(version, wrong)
    if known_version and not set(REVIEW_VERSIONS) & set(versions):
        problems.invalid(versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}")
