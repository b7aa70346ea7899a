"""Webhooks: what they apply to, where they are reached, and upstream's words where they are not right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.objects import created, wrong_with

RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
REMOTE = {"url": "https://a.b/c"}
FORM = "; desired format: https://host[/path]"
SEGMENT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def configuration(kind: str = "Validating", **webhook: Any) -> dict[str, Any]:
    whole = {"name": "a.b.c", "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": REMOTE, **webhook}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "w"},
        "webhooks": [whole],
    }


def rule(**fields: Any) -> dict[str, Any]:
    return configuration(rules=[{**RULE, **fields}])


def service(**fields: Any) -> dict[str, Any]:
    return configuration(clientConfig={"service": {"name": "s", "namespace": "n", **fields}})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(configuration(), [], id="a webhook"),
        pytest.param(configuration(name=""), ["name: Required value"], id="no name"),
        pytest.param(
            configuration(name="a.b"),
            ['name: Invalid value: "a.b": should be a domain with at least three segments separated by dots'],
            id="a short name",
        ),
        pytest.param(
            rule(operations=["CREATE", "READ"], apiGroups=[], apiVersions=["*", "v1"], scope="All"),
            [
                'rules[0].operations[1]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
                "rules[0].apiGroups: Required value",
                'rules[0].apiVersions: Invalid value: ["*","v1"]: if \'*\' is present, must not specify other API versions',
                'rules[0].scope: Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"',
            ],
            id="a rule of much that is not",
        ),
        pytest.param(rule(resources=["*", "a/b", "a/*", "*/b"]), [], id="resources that go together"),
        pytest.param(
            rule(resources=["a/*", "a/x"]),
            ["rules[0].resources[1]: Invalid value: \"a/x\": if 'a/*' is present, must not specify a/x"],
            id="a part besides all parts",
        ),
        pytest.param(
            rule(resources=["*", "a"]),
            ['rules[0].resources: Invalid value: ["*","a"]: if \'*\' is present, must not specify other resources without subresources'],
            id="one besides all",
        ),
        pytest.param(rule(resources=[]), ["rules[0].resources: Required value"], id="no resources"),
        pytest.param(
            configuration(failurePolicy="Retry", sideEffects="Some", timeoutSeconds=31),
            [
                'failurePolicy: Unsupported value: "Retry": supported values: "Fail", "Ignore"',
                'sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
                "timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
            ],
            id="policies",
        ),
        pytest.param(
            configuration("Mutating", reinvocationPolicy="Always"),
            ['reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"'],
            id="asked again and again",
        ),
        pytest.param(
            configuration(clientConfig={}), ["clientConfig: Required value: exactly one of url or service is required"], id="nowhere"
        ),
        pytest.param(
            configuration(clientConfig={"url": "http://me:secret@?a=b#c"}),
            [
                f"clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme{FORM}",
                f'clientConfig.url: Invalid value: "": host must be specified{FORM}',
                'clientConfig.url: Invalid value: "me:secret": user information is not permitted in the URL',
                'clientConfig.url: Invalid value: "c": fragments are not permitted in the URL',
                'clientConfig.url: Invalid value: "a=b": query parameters are not permitted in the URL',
            ],
            id="a URL that says too much",
        ),
        pytest.param(service(path="/a/b/"), [], id="a service"),
        pytest.param(
            service(name="", port=70000, path="a"),
            [
                "clientConfig.service.namespace: Required value",
                "clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive",
                "clientConfig.service.path: Invalid value: \"a\": must start with a '/'",
                'clientConfig.service.path: Invalid value: "a": segment[0] may not be empty',
            ],
            id="a service that is none",
        ),
        pytest.param(
            service(path="/a//B"),
            [
                'clientConfig.service.path: Invalid value: "/a//B": segment[1] may not be empty',
                f'clientConfig.service.path: Invalid value: "/a//B": segment[2]: {SEGMENT}',
            ],
            id="a strange path",
        ),
        pytest.param(
            configuration(admissionReviewVersions=["v2", "v2"]),
            [
                'admissionReviewVersions[1]: Invalid value: "v2": duplicate version',
                'admissionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1',
            ],
            id="a review of later",
        ),
        pytest.param(
            configuration(matchConditions=[{"name": "a", "expression": "true"}, {"name": "a", "expression": " "}]),
            ["matchConditions[1].expression: Required value", 'matchConditions[1].name: Duplicate value: "a"'],
            id="conditions",
        ),
        pytest.param(
            configuration(namespaceSelector={"matchExpressions": [{"key": "a", "operator": "In"}]}),
            [
                "namespaceSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            ],
            id="a selector without values",
        ),
    ],
)
def test_what_is_wrong_with_a_webhook(document: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(document) == [f"webhooks[0].{message}" for message in expected]


def test_what_a_webhook_leaves_out() -> None:
    one = created(service()).webhooks[0]
    assert (one.failurePolicy, one.matchPolicy, one.timeoutSeconds, one.clientConfig.service.port, one.rules[0].scope) == (
        "Fail", "Equivalent", 10, 443, "*",
    )  # fmt: skip
