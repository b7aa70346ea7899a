"""Selectors of devices, as kube-apiserver 1.37 judged them in DeviceClasses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.machinery.codec import clone
from tests.unit.api.objects import created, wrong_with, wrong_with_change

ROWS = json.loads(Path(__file__).with_name("selectors.json").read_text())
API = "resource.k8s.io/v1"


def device_class(*expressions: str) -> dict[str, Any]:
    selectors = [{"cel": {"expression": each}} for each in expressions]
    return {"apiVersion": API, "kind": "DeviceClass", "metadata": {"name": "c"}, "spec": {"selectors": selectors}}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["expression"][:60])
def test_what_is_said_of_a_selector(row: dict[str, str]) -> None:
    assert wrong_with(device_class(row["expression"])) == ([row["says"]] if row["says"] else [])


def test_a_selector_that_is_too_long_is_not_compiled() -> None:
    assert wrong_with(device_class("x" * 10241)) == ["spec.selectors[0].cel.expression: Too long: may not be more than 10240 bytes"]
    assert wrong_with(device_class(f"'{'x' * 10200}' == device.driver")) == []


def test_selectors_that_an_update_leaves_are_not_judged_again() -> None:
    old = created(device_class("foo"))
    new = clone(old)
    new.metadata.labels = {"a": "b"}
    assert wrong_with_change(old, new) == []
    new.spec.selectors = [*new.spec.selectors, *new.spec.selectors]
    assert len(wrong_with_change(old, new)) == 2


@pytest.mark.parametrize(("kind", "place"), [("ResourceClaim", "spec"), ("ResourceClaimTemplate", "spec.spec")])
def test_claims_and_their_templates_have_selectors_too(kind: str, place: str) -> None:
    asked = {"deviceClassName": "c", "selectors": [{"cel": {"expression": "foo"}}]}
    claim = {"devices": {"requests": [{"name": "r", "exactly": asked}, {"name": "s", "firstAvailable": [{"name": "t", **asked}]}]}}
    spec = claim if kind == "ResourceClaim" else {"spec": claim}
    problems = wrong_with({"apiVersion": API, "kind": kind, "metadata": {"name": "c", "namespace": "n"}, "spec": spec})
    assert [problem.split(": ")[0] for problem in problems] == [
        f"{place}.devices.requests[0].exactly.selectors[0].cel.expression",
        f"{place}.devices.requests[1].firstAvailable[0].selectors[0].cel.expression",
    ]
