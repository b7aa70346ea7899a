"""Names that are reserved for admission configurations in files, and rules that have no effect."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import catalogue
from tests.unit.api.objects import created, warned_of, wrong_with

API = "admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
RESERVED = 'names ending with ".static.k8s.io" are reserved for static manifest-based configurations and cannot be managed via the API'
SPECS: dict[str, dict[str, Any]] = {
    "ValidatingAdmissionPolicy": {"spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]}},
    "ValidatingAdmissionPolicyBinding": {"spec": {"policyName": "a", "validationActions": ["Deny"]}},
    "MutatingAdmissionPolicy": {
        "spec": {
            "matchConstraints": {"resourceRules": [RULE]},
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'test', path: '/a'}]"}}],
            "reinvocationPolicy": "Never",
        }
    },
    "MutatingAdmissionPolicyBinding": {"spec": {"policyName": "a"}},
    "ValidatingWebhookConfiguration": {},
    "MutatingWebhookConfiguration": {},
}


@pytest.mark.parametrize("kind", SPECS)
def test_no_object_is_made_with_the_suffix_of_static_configurations(kind: str) -> None:
    document = {"apiVersion": API, "kind": kind, "metadata": {"name": "a.static.k8s.io"}, **SPECS[kind]}
    assert wrong_with(document) == [f'metadata.name: Invalid value: "a.static.k8s.io": {RESERVED}']
    assert wrong_with({**document, "metadata": {"name": "a"}}) == []


@pytest.mark.parametrize("kind", SPECS)
def test_an_update_of_an_object_with_that_suffix_is_warned_of(kind: str) -> None:
    old = created({"apiVersion": API, "kind": kind, "metadata": {"name": "a.static.k8s.io"}, **SPECS[kind]})
    resource = catalogue.known().of(type(old))
    assert [warning for hook in resource.warners for warning in hook(old, old)] == [f"metadata.name: {RESERVED}"]
    assert [warning for hook in resource.warners for warning in hook(old, None)] == []


@pytest.mark.parametrize("kind", ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"])
@pytest.mark.parametrize(
    ("groups", "plurals", "expected"),
    [
        pytest.param([""], ["pods"], [], id="pods"),
        pytest.param(["*"], ["tokenreviews"], [], id="any group"),
        pytest.param(["authentication.k8s.io"], ["tokenreviews", "*"], [], id="any resource"),
        pytest.param(
            ["authentication.k8s.io", "authorization.k8s.io"],
            ["tokenreviews", "subjectaccessreviews", "tokenreviews"],
            ["tokenreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io"],
            id="reviews",
        ),
    ],
)
def test_rules_for_resources_that_no_webhook_is_asked_about_are_warned_of(
    kind: str, groups: list[str], plurals: list[str], expected: list[str]
) -> None:
    webhook = {"name": "a.b.c", "rules": [RULE, {**RULE, "apiGroups": groups, "resources": plurals}]}
    document = {"apiVersion": API, "kind": kind, "metadata": {"name": "a"}, "webhooks": [webhook]}
    assert warned_of(document) == [
        f"webhooks[0].rules[1]: {resource} is excluded from admission webhooks; this rule will have no effect" for resource in expected
    ]
