"""Conditions are found by their type, whatever kind has them."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core_v1 import NodeCondition
from pilothouse.machinery.conditions import find_condition, is_condition_true

READY = NodeCondition(type="Ready", status="True")
PRESSURE = NodeCondition(type="DiskPressure", status="False")
SILENT = NodeCondition(type="PIDPressure", status="Unknown")
ALL = [READY, PRESSURE, SILENT]


@pytest.mark.parametrize(
    ("conditions", "type", "condition", "is_true"),
    [
        pytest.param(ALL, "Ready", READY, True, id="True"),
        pytest.param(ALL, "DiskPressure", PRESSURE, False, id="False"),
        pytest.param(ALL, "PIDPressure", SILENT, False, id="Unknown"),
        pytest.param(ALL, "ready", None, False, id="another case"),
        pytest.param([], "Ready", None, False, id="none at all"),
        pytest.param(None, "Ready", None, False, id="no list"),
        pytest.param([PRESSURE, READY, NodeCondition(type="Ready", status="False")], "Ready", READY, True, id="the first of two"),
    ],
)
def test_a_condition_is_found_by_its_type(
    conditions: list[NodeCondition] | None, type: str, condition: NodeCondition | None, is_true: bool
) -> None:
    assert find_condition(conditions, type) is condition
    assert is_condition_true(conditions, type) is is_true
