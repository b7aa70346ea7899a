"""The selectors of an access review."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.authorization_v1 import FieldSelectorAttributes, LabelSelectorAttributes, ResourceAttributes
from pilothouse.apiserver.auth.selectors import evaluation_error, validate_selectors
from pilothouse.machinery.meta_v1 import FieldSelectorRequirement, LabelSelectorRequirement
from pilothouse.machinery.problems import Problems


def by_field(raw: str = "", *requirements: tuple[str, str, list[str]]) -> ResourceAttributes:
    made = [FieldSelectorRequirement(key=key, operator=operator, values=values) for key, operator, values in requirements]
    return ResourceAttributes(fieldSelector=FieldSelectorAttributes(rawSelector=raw, requirements=made))


def by_label(raw: str = "", *requirements: tuple[str, str, list[str]]) -> ResourceAttributes:
    made = [LabelSelectorRequirement(key=key, operator=operator, values=values) for key, operator, values in requirements]
    return ResourceAttributes(labelSelector=LabelSelectorAttributes(rawSelector=raw, requirements=made))


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        pytest.param(ResourceAttributes(), [], id="none"),
        pytest.param(by_field(), ["r.fieldSelector.requirements"], id="one that says nothing"),
        pytest.param(by_field("a=b", ("a", "In", ["b"])), ["r.fieldSelector.rawSelector"], id="both ways at once"),
        pytest.param(by_field("", ("", "Later", [])), ["r.fieldSelector.requirements[0].key"], id="no field, unknown operator"),
        pytest.param(by_label("", ("a", "In", [])), ["r.labelSelector.requirements[0].values"], id="no values"),
        pytest.param(by_label("", ("a", "Exists", ["b"])), ["r.labelSelector.requirements[0].values"], id="values that are not asked for"),
    ],
)
def test_what_is_wrong(asked: ResourceAttributes, paths: list[str]) -> None:
    problems = Problems("r")
    validate_selectors(asked, problems)
    assert [problem.path for problem in problems.found] == paths


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(by_field("a=b"), "", id="to be read"),
        pytest.param(by_field("a"), "spec.resourceAttributes.fieldSelector ignored due to parse error", id="not to be read"),
        pytest.param(
            by_field("", ("a", "In", ["b"]), ("c", "Exists", [])),
            "spec.resourceAttributes.fieldSelector partially ignored due to parse error",
            id="in part",
        ),
        pytest.param(
            by_label("", ("a", "Later", [])),
            "spec.resourceAttributes.labelSelector ignored due to parse error",
            id="an operator of tomorrow",
        ),
    ],
)
def test_what_is_ignored(asked: Any, expected: str) -> None:
    assert evaluation_error(asked) == expected
