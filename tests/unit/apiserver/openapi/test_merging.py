"""OpenAPI version 2 of extension API servers: what is kept of it, and what becomes of names that are taken."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.apiserver.openapi.merging import Spec, filtered, renamed

PREFIX = "/apis/metrics.example.com/v1/"


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{name}"}


def get(name: str) -> dict[str, Any]:
    return {"get": {"responses": {"200": {"schema": ref(name)}}}}


DOCUMENT = {
    "swagger": "2.0",
    "paths": {f"{PREFIX}readings": get("List"), "/apis/": get("Groups"), "/apis/other.example.com/v1/x": get("Other")},
    "definitions": {
        "List": {"properties": {"items": {"items": ref("Reading")}}},
        "Reading": {"type": "object"},
        "Groups": {"type": "object"},
        "Other": {"properties": {"reading": ref("Reading")}},
        "Unused": {"type": "string"},
    },
    "parameters": {"pretty": {"in": "query"}},
}


def test_what_the_paths_of_a_version_use_is_kept_and_what_nothing_uses() -> None:
    spec = filtered(DOCUMENT, PREFIX)
    assert (sorted(spec.paths), sorted(spec.definitions), sorted(spec.parameters)) == (
        [f"{PREFIX}readings"],
        ["List", "Reading", "Unused"],
        ["pretty"],
    )


@pytest.mark.parametrize("document", [None, [], {}, {"paths": []}, {"paths": {PREFIX: 1}, "definitions": {"a": 1}}, {"definitions": "x"}])
def test_what_is_no_document_says_nothing(document: Any) -> None:
    assert filtered(document, PREFIX) == Spec()


@pytest.mark.parametrize(
    ("taken", "names", "items"),
    [
        pytest.param({}, ["List", "Reading"], "Reading", id="nothing is taken"),
        pytest.param({"Reading": {"type": "object"}}, ["List", "Reading"], "Reading", id="the same"),
        pytest.param(
            {"Reading": {"type": "object", "x-kubernetes-group-version-kind": [{"kind": "A"}]}},
            ["List", "Reading"],
            "Reading",
            id="other kinds",
        ),
        pytest.param({"Reading": {"type": "string"}}, ["List", "Reading_v2"], "Reading_v2", id="another"),
        pytest.param(
            {"Reading": {"type": "string"}, "Reading_v2": {"type": "number"}}, ["List", "Reading_v3"], "Reading_v3", id="another again"
        ),
        pytest.param(
            {"Reading": {"type": "string"}, "Reading_v2": {"type": "object"}}, ["List", "Reading_v2"], "Reading_v2", id="renamed before"
        ),
    ],
)
def test_definitions_of_names_that_are_taken(taken: dict[str, Any], names: list[str], items: str) -> None:
    spec = filtered({**DOCUMENT, "definitions": {name: DOCUMENT["definitions"][name] for name in ("List", "Reading")}}, PREFIX)  # type: ignore[index]
    made = renamed(spec, taken)
    assert sorted(made.definitions) == names
    assert made.definitions["List"]["properties"]["items"]["items"] == ref(items)
    assert made.paths == spec.paths
