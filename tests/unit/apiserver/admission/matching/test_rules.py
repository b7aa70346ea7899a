"""Rules: which operations, resources and scopes they select; the cases of upstream's predicates."""

from __future__ import annotations

import pytest

from pilothouse.api.catalogue import built_in
from pilothouse.api.types.admissionregistration_v1 import RuleWithOperations
from pilothouse.apiserver.admission.matching.rules import Target, is_exempt, matches

CATALOGUE = built_in()


def rule(
    resources: str = "*", groups: str = "*", versions: str = "*", operations: str = "*", scope: str | None = None
) -> RuleWithOperations:
    named = ["" if each == "core" else each for each in groups.split()]
    return RuleWithOperations(operations.split(), named, versions.split(), resources.split(), scope)


def target(what: str = "apps/v1/deployments", operation: str = "CREATE", namespace: bool = True) -> Target:
    group, version, path = what.split("/", 2)
    plural, _, subresource = path.partition("/")
    resource = CATALOGUE.by_plural("" if group == "core" else group, version, plural)
    assert resource is not None
    return Target(operation, resource, subresource, namespace)


@pytest.mark.parametrize(
    ("given", "asked", "expected"),
    [
        pytest.param(rule(), target(), True, id="everything"),
        pytest.param(rule(groups="apps"), target(), True, id="group"),
        pytest.param(rule(groups="core"), target(), False, id="another group"),
        pytest.param(rule(groups="batch apps"), target(), True, id="one of several groups"),
        pytest.param(rule(versions="v1"), target(), True, id="version"),
        pytest.param(rule(versions="v1beta1"), target(), False, id="another version"),
        pytest.param(rule(versions="v1"), target("autoscaling/v2/horizontalpodautoscalers"), False, id="version of another"),
        pytest.param(rule(operations="CREATE UPDATE"), target(operation="UPDATE"), True, id="one of several operations"),
        pytest.param(rule(operations="CREATE UPDATE"), target(operation="DELETE"), False, id="another operation"),
        pytest.param(rule(operations="CONNECT"), target("core/v1/pods/exec", "CONNECT"), False, id="a star leaves subresources out"),
        pytest.param(rule("pods/exec", operations="CONNECT"), target("core/v1/pods/exec", "CONNECT"), True, id="subresource by name"),
        pytest.param(rule("pods/*"), target("core/v1/pods/exec"), True, id="all subresources of one"),
        pytest.param(rule("pods/*"), target("core/v1/pods"), True, id="all subresources of one, and itself"),
        pytest.param(rule("pods/*"), target("core/v1/services/proxy"), False, id="all subresources of another"),
        pytest.param(rule("*/*"), target("core/v1/pods"), True, id="everything and its subresources: itself"),
        pytest.param(rule("*/*"), target("core/v1/pods/status"), True, id="everything and its subresources"),
        pytest.param(rule("*/scale"), target("apps/v1/deployments/scale"), True, id="one subresource of all"),
        pytest.param(rule("*/scale"), target("apps/v1/deployments"), False, id="one subresource of all, not themselves"),
        pytest.param(rule("deployments"), target("apps/v1/deployments/status"), False, id="a resource without its subresources"),
        pytest.param(rule("replicasets deployments"), target(), True, id="one of several resources"),
        pytest.param(rule(scope="*"), target(), True, id="any scope"),
        pytest.param(rule(scope="Namespaced"), target(), True, id="in a namespace"),
        pytest.param(rule(scope="Cluster"), target(), False, id="in a namespace, not cluster-scoped"),
        pytest.param(rule(scope="Namespaced"), target("core/v1/nodes", namespace=False), False, id="cluster-scoped, not namespaced"),
        pytest.param(rule(scope="Cluster"), target("core/v1/nodes", namespace=False), True, id="cluster-scoped"),
        pytest.param(rule(scope="Namespaced"), target("core/v1/namespaces"), False, id="a namespace is not namespaced"),
        pytest.param(rule(scope="Cluster"), target("core/v1/namespaces"), True, id="a namespace is cluster-scoped"),
        pytest.param(rule("*/*", scope="Cluster"), target("core/v1/namespaces/status"), True, id="a namespace's status, too"),
        pytest.param(rule(scope="Elsewhere"), target(), False, id="no such scope"),
        pytest.param(rule(""), target(), False, id="no resource"),
    ],
)
def test_a_rule_selects(given: RuleWithOperations, asked: Target, expected: bool) -> None:
    assert matches(given, asked) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((name, True) for name in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")),
        *((f"{kind}AdmissionPolicy{end}", True) for kind in ("Validating", "Mutating") for end in ("", "Binding")),
        ("Other", False),
    ],
)
def test_what_configures_admission_is_exempt(kind: str, expected: bool) -> None:
    assert is_exempt(("admissionregistration.k8s.io", "v1", kind)) is expected
    assert not is_exempt(("example.com", "v1", kind))
