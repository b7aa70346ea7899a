"""Refusals show an empty list or map as the client said it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilothouse.apiserver.http import empty_values
from pilothouse.machinery.errors import invalid
from pilothouse.machinery.problems import Problems


@pytest.mark.parametrize(
    ("field", "body", "shown"),
    [
        pytest.param(("spec", "cidrs"), {"spec": {"cidrs": []}}, "[]", id="a list"),
        pytest.param(("spec", "capacity"), {"spec": {"capacity": {}}}, "{}", id="a map"),
        pytest.param(("spec", "source"), {"spec": {"source": {}}}, "null", id="a struct"),
        pytest.param(("spec", "cidrs"), {"spec": {"cidrs": None}}, "null", id="null"),
        pytest.param(("spec", "cidrs"), {"spec": {}}, "null", id="nothing"),
        pytest.param(("spec", "cidrs"), {"spec": {"cidrs": ["x"]}}, "null", id="something"),
        pytest.param(("items", 1, "ports"), {"items": [{}, {"ports": []}]}, "[]", id="below a list"),
        pytest.param(("items", 5, "ports"), {"items": [{}, {"ports": []}]}, "null", id="beyond a list"),
        pytest.param(("spec",), [{"op": "remove"}], "null", id="operations of a JSON patch"),
    ],
)
def test_what_the_client_said_is_shown(field: tuple[str | int, ...], body: Any, shown: str) -> None:
    problems = Problems()
    problems.at(*field).invalid(None, "field is immutable")
    error = invalid("Kind", "", "a", problems.found)
    empty_values.show(error, json.dumps(body).encode(), "application/json")
    assert error.status.details is not None
    assert error.status.details.causes[0].message == f"Invalid value: {shown}: field is immutable"
    assert error.status.message.endswith(f": Invalid value: {shown}: field is immutable")


def test_a_body_that_cannot_be_read_changes_nothing() -> None:
    problems = Problems()
    problems.at("spec").invalid(None, "wrong")
    error = invalid("Kind", "", "a", problems.found)
    empty_values.show(error, b"{", "application/json")
    assert error.status.message == 'Kind "a" is invalid: spec: Invalid value: null: wrong'
