"""What a user is told of his rules: SelfSubjectRulesReview, as kube-apiserver 1.37 answers it."""

from __future__ import annotations

import pytest

from pilothouse.api.types.authorization_v1 import SelfSubjectRulesReview, SelfSubjectRulesReviewSpec
from pilothouse.apiserver.auth.authorizer import AlwaysAllow
from pilothouse.apiserver.auth.rbac.bootstrap import bootstrap_objects
from pilothouse.apiserver.auth.reviews import AUTHORIZATION, reviews
from pilothouse.apiserver.auth.user import User
from pilothouse.kit.virtual_clock import VirtualClock
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.auth.rbac.cluster import Cluster, bound, paths, role, rule, user

JANE = User("jane", groups=("system:authenticated",))
BASIC = [
    {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
    {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
]


async def told(authorizer: object, namespace: str = "a") -> dict[str, object]:
    review = SelfSubjectRulesReview(spec=SelfSubjectRulesReviewSpec(namespace=namespace))
    handler = reviews(authorizer, VirtualClock())[AUTHORIZATION, "SelfSubjectRulesReview"]  # type: ignore[arg-type]
    return codec.to_dict(await handler(review, JANE))


async def test_everybody_is_told_the_basic_rules_and_nothing_is_repeated() -> None:
    answer = await told(Cluster(*bootstrap_objects()).authorizer)
    assert answer["spec"] == {}
    status = answer["status"]
    assert isinstance(status, dict)
    assert (status["resourceRules"], status["incomplete"], "evaluationError" in status) == (BASIC, False, False)
    assert [each["verbs"] for each in status["nonResourceRules"]] == [["get"], ["get"]]


async def test_rules_of_a_namespace_and_what_is_missing() -> None:
    cluster = Cluster(
        role("r", rule("get", "", "pods", "x"), paths("get", "/x")),
        bound("r", user("jane"), namespace="a"),
        bound("gone", user("jane"), kind="Role", namespace="a"),
        bound("r", user("jane"), namespace="b"),
    )
    status = (await told(cluster.authorizer))["status"]
    assert status == {
        "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["x"]}],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
        "incomplete": False,
        "evaluationError": 'role.rbac.authorization.k8s.io "gone" not found',
    }


async def test_who_may_do_everything_is_told_so() -> None:
    status = (await told(AlwaysAllow()))["status"]
    assert status == {
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }


async def test_a_namespace_must_be_named() -> None:
    with pytest.raises(StatusError, match="no namespace on request"):
        await told(AlwaysAllow(), "")
