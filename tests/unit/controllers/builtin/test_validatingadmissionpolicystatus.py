"""The status of ValidatingAdmissionPolicies."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicy
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.machinery import codec
from pilothouse.testing.controllers import Bench

NAME = "validatingadmissionpolicy-status-controller"
SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
VERSION = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}


def policy(expression: str, group: str = "apps", plural: str = "deployments", generation: int = 1) -> ValidatingAdmissionPolicy:
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "resources": [plural], "operations": ["*"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": expression}]}
    return codec.from_dict({"metadata": {"name": "p", "generation": generation}, "spec": spec}, ValidatingAdmissionPolicy)


def definition() -> CustomResourceDefinition:
    names = {"plural": "boats", "kind": "Boat"}
    spec: dict[str, Any] = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [VERSION]}
    return codec.from_dict({"metadata": {"name": "boats.example.com"}, "spec": spec}, CustomResourceDefinition)


def written(bench: Bench) -> tuple[int, list[str]]:
    [found] = bench.transport.all(ValidatingAdmissionPolicy)
    checking = found.status.typeChecking
    return found.status.observedGeneration, [each.warning.split("\n")[0] for each in (checking.expressionWarnings if checking else ())]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(policy("object.spec.replicas > 1"), [], id="right"),
        pytest.param(policy("object.foo == 1"), ["apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'foo'"], id="wrong"),
        pytest.param(policy("object.spec.size > 1", "example.com", "boats"), [], id="right for a custom kind"),
        pytest.param(
            policy("object.spec.size > 'x'", "example.com", "boats"),
            ["example.com/v1, Kind=Boat: ERROR: <input>:1:18: found no matching overload for '_>_' applied to '(int, string)'"],
            id="wrong for a custom kind",
        ),
        pytest.param(policy("object.foo == 1", "example.com", "planes"), [], id="of an unknown kind"),
    ],
)
async def test_a_policy_is_checked(made: ValidatingAdmissionPolicy, expected: list[str]) -> None:
    async with Bench(NAME) as bench:
        bench.transport.add(definition())
        bench.transport.add(codec.clone(made))
        await bench.advance(1)
        assert written(bench) == (1, expected)
        [found] = bench.transport.all(ValidatingAdmissionPolicy)
        assert found.status.typeChecking is not None


def mended(made: ValidatingAdmissionPolicy) -> None:
    made.spec.validations[0].expression = "true"
    made.metadata.generation = 2


async def test_a_policy_is_checked_again_when_it_has_changed() -> None:
    async with Bench(NAME) as bench:
        [first] = bench.transport.add(policy("object.foo == 1"))
        await bench.advance(1)
        writes = len(bench.transport.calls)
        await bench.advance(3600)
        assert len(bench.transport.calls) == writes
        bench.transport.change(first, mended)
        await bench.advance(1)
        assert written(bench) == (2, [])
