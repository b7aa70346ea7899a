"""Schemas as types: what expressions see of an object, sizes for estimates, values with an equality of their own."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.cel import escaping, estimating, schema, types
from tests.unit.cel.libraries import schemas
from tests.unit.cel.libraries.tables import STORED, Row, answer, rows

SELF = schemas.type_of(schemas.SCHEMA)
ROOT = schemas.type_of(schemas.RESOURCE, True)


@pytest.mark.parametrize("row", rows("schema.tsv"))
def test_a_rule_sees_an_object_and_costs_what_its_schema_allows(row: Row) -> None:
    environment = STORED.extended({"self": SELF, "oldSelf": SELF})
    activation = {"self": schemas.SELF, "oldSelf": schemas.OLD_SELF}
    assert answer(row.expression, environment, activation, estimating.SchemaSizes(SELF)) == row


@pytest.mark.parametrize("row", rows("resource.tsv"))
def test_a_resource_has_its_names_whatever_its_schema_says(row: Row) -> None:
    environment = STORED.extended({"self": ROOT, "oldSelf": ROOT})
    activation = {"self": schemas.OBJECT, "oldSelf": schemas.OBJECT}
    assert answer(row.expression, environment, activation, estimating.SchemaSizes(ROOT)) == row


TEXT: dict[str, Any] = {"type": "string"}


@pytest.mark.parametrize(
    ("of", "size", "cardinality"),
    [
        pytest.param(TEXT, 2, 1048576, id="text"),
        pytest.param({"type": "integer"}, 1, 1572864, id="integer"),
        pytest.param({"type": "boolean"}, 4, 629145, id="boolean"),
        pytest.param({"type": "string", "format": "date-time"}, 21, 142987, id="date-time"),
        pytest.param({"type": "string", "format": "date"}, 12, 241979, id="date"),
        pytest.param({"type": "string", "format": "duration"}, 3, 786432, id="duration"),
        pytest.param({"type": "array", "items": TEXT}, 2, 1048576, id="list"),
        pytest.param({"type": "object", "additionalProperties": TEXT}, 2, 1048576, id="map"),
        pytest.param({"x-kubernetes-int-or-string": True}, 1, 1572864, id="int or string"),
        pytest.param({"type": "object", "properties": {"a": TEXT}}, 2, 1048576, id="object without required fields"),
        pytest.param({"type": "object", "required": ["ab"], "properties": {"ab": TEXT}}, 10, 285975, id="required field"),
        pytest.param({"type": "object", "required": ["a"], "properties": {"a": {**TEXT, "default": "x"}}}, 2, 1048576, id="defaulted"),
        pytest.param({"type": "object", "required": ["a"]}, 2, 1048576, id="required field of no schema"),
        pytest.param({"type": "object", "required": ["a"], "properties": {"a": {}}}, 2, 1048576, id="required field that is not seen"),
    ],
)
def test_how_often_data_of_a_schema_fits_into_a_request(of: dict[str, Any], size: int, cardinality: int) -> None:
    assert (schema.min_serialized_size(of), schema.max_cardinality(of)) == (size, cardinality)


@pytest.mark.parametrize(
    ("of", "shown", "most"),
    [
        pytest.param(TEXT, "string", 3145726, id="text"),
        pytest.param({**TEXT, "maxLength": 5}, "string", 20, id="text with a length"),
        pytest.param({**TEXT, "maxLength": -5}, "string", 0, id="text with a negative length"),
        pytest.param({**TEXT, "enum": ["a", "é"]}, "string", 2, id="choice"),
        pytest.param({**TEXT, "format": "byte", "maxLength": 5}, "bytes", 5, id="octets"),
        pytest.param({**TEXT, "format": "byte"}, "bytes", 3145726, id="octets without a length"),
        pytest.param({**TEXT, "format": "duration"}, "duration", 32, id="duration"),
        pytest.param({**TEXT, "format": "date"}, "timestamp", 12, id="date"),
        pytest.param({**TEXT, "format": "date-time"}, "timestamp", 32, id="date-time"),
        pytest.param({"type": "array", "items": TEXT}, "list(string)", 1048575, id="list"),
        pytest.param({"type": "array", "items": {"type": "boolean"}, "maxItems": 3}, "list(bool)", 3, id="list with a length"),
        pytest.param({"type": "object", "additionalProperties": TEXT}, "map(string, string)", 393215, id="map"),
        pytest.param({"x-kubernetes-int-or-string": True}, "dyn", 3145726, id="int or string"),
        pytest.param({"x-kubernetes-int-or-string": True, "maxLength": 3}, "dyn", 12, id="int or string with a length"),
    ],
)
def test_the_greatest_size_of_a_value(of: dict[str, Any], shown: str, most: int) -> None:
    declared = schema.declared(of)
    assert declared is not None
    assert (str(declared), declared.max_elements) == (shown, most)


@pytest.mark.parametrize(
    "of",
    [
        {},
        {"type": "array"},
        {"type": "array", "items": {}},
        {"type": "object", "additionalProperties": {}},
        {"x-kubernetes-preserve-unknown-fields": True},
    ],
    ids=str,
)
def test_schemas_without_a_type_are_not_seen(of: dict[str, Any]) -> None:
    assert schema.declared(of) is None


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        *(("a", "a"), ("namespace", "__namespace__"), ("a-b", "a__dash__b"), ("a.b/c", "a__dot__b__slash__c"), ("__a", "__underscores__a")),
        *(
            ("___", "__underscores___"),
            ("9a", None),
            ("", None),
            ("a b", None),
            ("é", None),
            ("in", "__in__"),
            ("int", "int"),
            ("_a", "_a"),
        ),
    ],
)
def test_a_property_is_written_as_an_identifier(name: str, identifier: str | None) -> None:
    assert escaping.escape(name) == identifier
    assert identifier is None or escaping.unescape(identifier) == name


@pytest.mark.parametrize("identifier", ["__nope__", "a__in__", "__in__b", "a__dashed__b"])
def test_a_wrong_escape_stands_for_nothing(identifier: str) -> None:
    assert escaping.unescape(identifier) is None


DEFINITIONS: dict[str, Any] = {
    "#/definitions/Tree": {
        "type": "object",
        "properties": {
            "left": {"$ref": "#/definitions/Tree"},
            "meta": {"allOf": [{"$ref": "#/definitions/Meta"}]},
            "size": {"format": "int-or-string"},
        },
    },
    "#/definitions/Meta": {"type": "object", "properties": {"name": TEXT}},
}


def test_references_are_resolved_when_a_field_is_asked_for() -> None:
    tree = schema.declared({"$ref": "#/definitions/Tree"}, name="Tree", refs=DEFINITIONS.get)
    environment = STORED.extended({"object": tree or types.DYN})
    assert str(environment.check("object.meta.name").output_type) == "string"
    assert str(environment.check("object.size").output_type) == "dyn"
    assert answer("object.left.left", environment).result.startswith("ERROR: <input>:1:12: undefined field 'left'")
