"""What kube-apiserver 1.37 says of bad audit policies, and what a policy says of requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.apiserver.audit import policy
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import User
from pilothouse.machinery.configfile import BadConfiguration

BAD = json.loads(Path(__file__).with_name("tables").joinpath("bad_policies.json").read_text())
OTHERWISE = {"wrongkind": "another kind of the group is not known here", "wrongtype": "a string that has a name in Go"}
JANE = User("jane", groups=("developers",))
PODS = Attributes("get", version="v1", resource="pods", namespace="default", name="web")
LOG = Attributes("get", version="v1", resource="pods", subresource="log", namespace="default", name="web")
NODES = Attributes("list", version="v1", resource="nodes")
DEPLOYMENTS = Attributes("create", "apps", "v1", "deployments", namespace="shop")
HEALTH = Attributes("get", path="/healthz/etcd")


@pytest.mark.parametrize("name", BAD)
def test_bad_policies_are_refused_in_upstreams_words(name: str) -> None:
    row = BAD[name]
    if row["message"] is None:
        assert policy.parse(row["file"].encode(), f"a/{name}")[1].startswith(
            "Audit policy contains errors, falling back to lenient decoding"
        )
        return
    with pytest.raises(BadConfiguration) as caught:
        policy.parse(row["file"].encode(), f"a/{name}")
    if name not in OTHERWISE:
        assert str(caught.value) == row["message"]


@pytest.mark.parametrize(
    ("rule", "asked", "matches"),
    [
        ({}, PODS, True),
        ({}, HEALTH, True),
        ({"users": ["jane"]}, PODS, True),
        ({"users": ["joe"]}, PODS, False),
        ({"userGroups": ["developers", "x"]}, PODS, True),
        ({"userGroups": ["x"]}, PODS, False),
        ({"verbs": ["get"]}, PODS, True),
        ({"verbs": ["list"]}, PODS, False),
        ({"verbs": ["*"]}, PODS, False),
        ({"namespaces": ["default"]}, PODS, True),
        ({"namespaces": ["shop"]}, PODS, False),
        ({"namespaces": [""]}, NODES, True),
        ({"namespaces": ["default"]}, HEALTH, False),
        ({"resources": [{"group": ""}]}, PODS, True),
        ({"resources": [{"group": ""}]}, DEPLOYMENTS, False),
        ({"resources": [{"group": "*"}]}, DEPLOYMENTS, True),
        ({"resources": [{"group": "apps", "resources": ["deployments"]}]}, DEPLOYMENTS, True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, PODS, True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, LOG, False),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, PODS, True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, PODS, False),
        ({"resources": [{"group": "", "resources": ["*"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["web"]}]}, PODS, True),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["db"]}]}, PODS, False),
        ({"resources": [{"group": "apps"}, {"group": ""}]}, PODS, True),
        ({"nonResourceURLs": ["/healthz*"]}, HEALTH, True),
        ({"nonResourceURLs": ["/healthz"]}, HEALTH, False),
        ({"nonResourceURLs": ["*"]}, HEALTH, True),
        ({"nonResourceURLs": ["*"]}, PODS, False),
        ({"resources": [{"group": "*"}]}, HEALTH, False),
    ],
)
def test_rules(rule: dict[str, Any], asked: Attributes, matches: bool) -> None:
    text = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Request", **rule}, {"level": "Metadata"}]}
    parsed, warning = policy.parse(json.dumps(text).encode(), "f")
    assert warning == ""
    assert policy.Verdicts(parsed).scope_of(JANE, asked).level == ("Request" if matches else "Metadata")


def test_a_request_that_was_not_let_in_matches_no_rule_about_users() -> None:
    text = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Request", "users": ["jane"]}]}
    verdicts = policy.Verdicts(policy.parse(json.dumps(text).encode(), "f")[0])
    assert verdicts.scope_of(None, PODS).level == "None"
    assert verdicts.scope_of(JANE, PODS).level == "Request"


def test_stages_and_managed_fields_of_rule_and_policy() -> None:
    rules = [
        {"level": "Request", "users": ["a"], "omitStages": ["Panic"], "omitManagedFields": False},
        {"level": "Request", "users": ["b"]},
    ]
    text = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules, "omitStages": ["RequestReceived"], "omitManagedFields": True}
    verdicts = policy.Verdicts(policy.parse(json.dumps(text).encode(), "f")[0])
    first, second = verdicts.scope_of(User("a"), PODS), verdicts.scope_of(User("b"), PODS)
    assert (first.omitted_stages, first.omits_managed_fields) == ({"RequestReceived", "Panic"}, False)
    assert (second.omitted_stages, second.omits_managed_fields) == ({"RequestReceived"}, True)
