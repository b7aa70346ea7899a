"""Policies about custom kinds, with params of custom kinds; and that what is configured acts at once and ends at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.unit.apiserver.serving import Caller, calling

API, BOATS = "/apis/admissionregistration.k8s.io/v1", "/apis/example.com/v1/namespaces/sea/boats"
RULE = {"apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["boats"], "operations": ["CREATE", "UPDATE"]}
ITEM = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}
SPEC = {
    "size": {"type": "integer", "default": 3},
    "most": {"type": "integer"},
    "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
    "parts": {"type": "array", "items": ITEM, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    "whole": {"type": "array", "items": {"type": "string"}},
}
SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "properties": SPEC}}}
DEFINITION = {
    "metadata": {"name": "boats.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "boats", "kind": "Boat"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
}


def boat(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": name}, "spec": spec}


async def sea(call: Caller) -> None:
    await call("POST", "/api/v1/namespaces", {"metadata": {"name": "sea"}})
    await call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)
    for _ in range(200):
        if (await call("GET", BOATS)).status == 200:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("boats are not served")


def test_a_policy_about_a_custom_kind_with_a_param_of_that_kind(tmp_path: Path) -> None:
    async def main() -> None:
        async with calling(tmp_path) as call:
            await sea(call)
            validation = {
                "expression": "object.spec.size <= params.spec.most",
                "messageExpression": "string(object.spec.size) + params.kind",
            }
            kind = {"apiVersion": "example.com/v1", "kind": "Boat"}
            spec = {"paramKind": kind, "matchConstraints": {"resourceRules": [RULE]}, "validations": [validation]}
            await call("POST", f"{API}/validatingadmissionpolicies", {"metadata": {"name": "p"}, "spec": spec})
            await call("POST", BOATS, boat("limit", most=5))
            reference = {"name": "limit", "parameterNotFoundAction": "Deny"}
            bound = {"policyName": "p", "paramRef": reference, "validationActions": ["Deny"]}
            await call("POST", f"{API}/validatingadmissionpolicybindings", {"metadata": {"name": "b"}, "spec": bound})
            refused = await call("POST", BOATS, boat("big", size=9))
            assert refused.json()["message"].endswith("'p' with binding 'b' denied request: 9Boat")
            assert (await call("POST", BOATS, boat("small"))).json()["spec"] == {"size": 3}
            await call("DELETE", f"{BOATS}/limit")
            assert "no params found" in (await call("POST", BOATS, boat("other"))).json()["message"]
            await call("DELETE", f"{API}/validatingadmissionpolicybindings/b")
            assert (await call("POST", BOATS, boat("big", size=9))).status == 201

    asyncio.run(main())


REFUSED = "policy 'm' with binding 'm' denied request: error applying patch: "


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("Object{spec: Object.spec{tags: ['x']}}", {"tags": ["b", "x"]}, id="a set"),
        pytest.param(
            "Object{spec: Object.spec{parts: [Object.spec.parts{name: 'a', n: 1}]}}",
            {"parts": [{"name": "z"}, {"name": "a", "n": 1}]},
            id="a list by keys",
        ),
        pytest.param(
            "Object{spec: Object.spec{whole: ['x']}}",
            f"{REFUSED}invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.whole",
            id="an atomic list",
        ),
        pytest.param(
            "Object{spec: Object.spec{foo: 1}}",
            f"{REFUSED}failed to convert patch object to typed object: .spec.foo: field not declared in schema",
            id="an unknown field",
        ),
        pytest.param(
            "Object{spec: Object.spec{size: 'x'}}",
            f"{REFUSED}failed to convert patch object to typed object: .spec.size: expected numeric (int or float), got string",
            id="a wrong type",
        ),
        pytest.param("[JSONPatch{op: 'replace', path: '/spec/tags', value: ['q']}]", {"tags": ["q"]}, id="a patch"),
        pytest.param("[JSONPatch{op: 'add', path: '/spec/foo', value: 'q'}]", {}, id="what the schema does not know is pruned"),
        pytest.param("[JSONPatch{op: 'remove', path: '/spec/size'}]", {"size": 3}, id="defaults are set again"),
    ],
)
def test_mutations_of_a_custom_kind(tmp_path: Path, expression: str, expected: dict[str, Any] | str) -> None:
    async def main() -> None:
        async with calling(tmp_path) as call:
            await sea(call)
            field = "jsonPatch" if expression.startswith("[") else "applyConfiguration"
            mutation = {"patchType": f"{field[0].upper()}{field[1:]}".replace("JsonPatch", "JSONPatch"), field: {"expression": expression}}
            spec = {"matchConstraints": {"resourceRules": [RULE]}, "mutations": [mutation], "reinvocationPolicy": "Never"}
            await call("POST", f"{API}/mutatingadmissionpolicies", {"metadata": {"name": "m"}, "spec": spec})
            await call("POST", f"{API}/mutatingadmissionpolicybindings", {"metadata": {"name": "m"}, "spec": {"policyName": "m"}})
            sent = {"size": 2, "tags": ["b"], "parts": [{"name": "z"}]}
            answer = (await call("POST", BOATS, boat("a", **sent))).json()
            if isinstance(expected, str):
                assert answer["message"] == expected
            else:
                assert answer["spec"] == sent | expected

    asyncio.run(main())
