"""Structural schemas beside upstream's: what is unknown, what an object becomes, and what is wrong with it.

`cases.jsonl` was made with apiextensions-apiserver 0.37.2 from random schemas and values, `formats.tsv` with kube-openapi's formats.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.machinery.problems import Problems
from pilothouse.machinery.structural import StructuralSchema, formats
from pilothouse.machinery.structural.explaining import explain
from pilothouse.machinery.structural.numbers import deeply_normalized

HERE = Path(__file__).parent
CASES = [json.loads(line) for line in (HERE / "cases.jsonl").read_text().splitlines()]
FORMATS = [line.split("\t") for line in (HERE / "formats.tsv").read_text().splitlines()]


def numbers(value: Any) -> Any:
    """JSON in which 1 and 1.0 are one: Go writes both as 1."""
    if isinstance(value, dict):
        return {name: numbers(child) for name, child in value.items()}
    if isinstance(value, list):
        return [numbers(child) for child in value]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def said(schema: StructuralSchema, value: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    problems = Problems()
    schema.validate(value, problems, old)
    return sorted({f"{problem.reason}|{problem}" for problem in problems.found})


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_an_object_is_pruned_defaulted_and_validated_as_upstream_does(case: dict[str, Any]) -> None:
    schema, value = StructuralSchema.of(case["schema"]), deeply_normalized(copy.deepcopy(case["value"]))
    assert schema.prune(value) == case.get("unknown", [])
    schema.coerce(value)
    schema.default(value)
    assert numbers(value) == numbers(case.get("becomes", case["value"]))
    assert said(schema, value, case.get("old")) == case["errors"]


@pytest.mark.parametrize(("name", "valid", "text"), FORMATS)
def test_a_format_accepts_what_upstream_accepts(name: str, valid: str, text: str) -> None:
    check = formats.check_of(name)
    assert check is not None
    assert check(json.loads(text)) is (valid == "yes")


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 1.5, "", "a", "abc", "10.0.0.1"])
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3), max_leaves=6
)


@given(case=st.sampled_from(CASES), value=st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3))
def test_what_is_told_fast_is_what_is_told_in_full(case: dict[str, Any], value: dict[str, Any]) -> None:
    schema = StructuralSchema.of(case["schema"])
    if schema._check is None or schema._check(value):
        assert explain(schema.root, value, "").failures == []


@given(case=st.sampled_from(CASES), value=st.dictionaries(st.sampled_from(["a", "b", "c", "kind"]), VALUES, max_size=3))
def test_pruning_twice_prunes_nothing_more(case: dict[str, Any], value: dict[str, Any]) -> None:
    schema = StructuralSchema.of(case["schema"])
    schema.prune(value)
    once = copy.deepcopy(value)
    assert schema.prune(value) == []
    assert value == once


@given(case=st.sampled_from(CASES), value=st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3))
def test_defaulting_twice_changes_nothing_more(case: dict[str, Any], value: dict[str, Any]) -> None:
    schema = StructuralSchema.of(case["schema"])
    schema.default(value)
    once = copy.deepcopy(value)
    schema.default(value)
    assert value == once


SECRET = {"type": "object", "properties": {"status": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 3}}}}}


@pytest.mark.parametrize(
    ("status", "old", "errors"),
    [
        pytest.param({"n": 4}, {"n": 4}, [], id="what did not change may stay wrong"),
        pytest.param(
            {"n": 5}, {"n": 4}, ["status.n: Invalid value: 5: n in body should be less than or equal to 3"], id="a change is validated"
        ),
        pytest.param({"n": "a"}, {}, ['status.n: Invalid value: "string": n in body must be of type integer: "string"'], id="a new field"),
        pytest.param([], {}, ['status: Invalid value: "array":  in body must be of type object: "array"'], id="the status itself"),
    ],
)
def test_a_status_is_validated_by_its_own_schema(status: Any, old: Any, errors: list[str]) -> None:
    problems = Problems()
    StructuralSchema.of(SECRET).validate_status({"spec": 5, "status": status}, problems, {"status": old})
    assert [str(problem) for problem in problems.found] == errors


def test_without_a_schema_everything_but_the_head_is_unknown() -> None:
    value = {"apiVersion": "a/v1", "kind": "A", "metadata": {}, "spec": {"a": 1}, "data": []}
    assert StructuralSchema.of(None).prune(value) == ["data", "spec"]
    assert value == {"apiVersion": "a/v1", "kind": "A", "metadata": {}}
