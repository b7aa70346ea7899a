"""Who controllers are, and that what they declare, what they are granted and what they ask is the same.

decisions.txt is what they asked in the tests of controllers, scenarios and the simulation (tests/decisions.py records it).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pilothouse.api.types.rbac_v1 import ClusterRole, PolicyRule, Role
from pilothouse.apiserver.auth.rbac.bootstrap import bootstrap_objects
from pilothouse.apiserver.auth.rbac.covers import missing_rules
from pilothouse.controllers.framework.controller import Controller
from pilothouse.controllers.manager import controllers

MANAGER = "kube-controller-manager"
ASKED = [line.split(" ") for line in (Path(__file__).parent / "decisions.txt").read_text().splitlines()]
INFORMERS = PolicyRule(verbs=["list", "watch"], apiGroups=["*"], resources=["*"])
"""What the manager itself may, for the informers of all controllers."""
BY_NAME = {
    ("bootstrap-signer", "update", "", "configmaps"): "cluster-info in kube-public alone",
    ("certificate-controller", "sign", "certificates.k8s.io", "signers"): "the four signers of Kubernetes",
}
"""What upstream grants for some names only."""
FOR_ADMISSION = ("escalate", "sign", "finalizers")
"""What nobody asks in so many words: admission and escalation checks look whether it is granted."""
UNSEEN = {
    ("certificate-controller", "delete", "certificates.k8s.io", "certificatesigningrequests"),
    ("clusterrole-aggregation-controller", "update", "rbac.authorization.k8s.io", "clusterroles"),
    ("cronjob-controller", "patch", "", "events"),
    ("daemon-set-controller", "delete", "apps", "controllerrevisions"),
    ("daemon-set-controller", "get", "apps", "daemonsets"),
    ("daemon-set-controller", "patch", "", "events"),
    ("daemon-set-controller", "patch", "", "pods"),
    ("daemon-set-controller", "patch", "apps", "controllerrevisions"),
    ("daemon-set-controller", "update", "apps", "controllerrevisions"),
    ("disruption-controller", "create", "", "events"),
    ("disruption-controller", "patch", "", "events"),
    ("disruption-controller", "update", "", "pods/status"),
    ("disruption-controller", "update", "policy", "poddisruptionbudgets/status"),
    ("endpoint-controller", "create", "", "endpoints/restricted"),
    ("endpoint-controller", "update", "", "endpoints"),
    ("endpointslice-controller", "delete", "discovery.k8s.io", "endpointslices"),
    ("endpointslice-controller", "update", "discovery.k8s.io", "endpointslices"),
    ("endpointslicemirroring-controller", "update", "discovery.k8s.io", "endpointslices"),
    ("ephemeral-volume-controller", "create", "", "events"),
    ("ephemeral-volume-controller", "create", "", "persistentvolumeclaims"),
    ("ephemeral-volume-controller", "patch", "", "events"),
    ("generic-garbage-collector", "patch", "", "events"),
    ("job-controller", "get", "batch", "jobs"),
    ("job-controller", "patch", "", "events"),
    ("legacy-service-account-token-cleaner", "delete", "", "secrets"),
    ("legacy-service-account-token-cleaner", "patch", "", "secrets"),
    ("node-controller", "patch", "", "events"),
    ("persistent-volume-binder", "patch", "", "events"),
    ("pv-protection-controller", "update", "", "persistentvolumes"),
    ("replicaset-controller", "get", "apps", "replicasets"),
    ("replicaset-controller", "patch", "", "pods"),
    ("replication-controller", "create", "", "events"),
    ("replication-controller", "create", "", "pods"),
    ("replication-controller", "delete", "", "pods"),
    ("replication-controller", "get", "", "replicationcontrollers"),
    ("replication-controller", "patch", "", "events"),
    ("replication-controller", "patch", "", "pods"),
    ("replication-controller", "update", "", "replicationcontrollers/status"),
    ("resourcequota-controller", "update", "", "resourcequotas/status"),
    ("statefulset-controller", "delete", "apps", "controllerrevisions"),
    ("statefulset-controller", "get", "apps", "statefulsets"),
    ("statefulset-controller", "patch", "", "pods"),
    ("statefulset-controller", "patch", "apps", "controllerrevisions"),
    ("statefulset-controller", "update", "", "pods"),
    ("statefulset-controller", "update", "apps", "controllerrevisions"),
    ("validatingadmissionpolicy-status-controller", "update", "admissionregistration.k8s.io", "validatingadmissionpolicies/status"),
}
"""What no test that is recorded has made a controller ask; most of it is asked where controllers are tested against a fake transport."""


def granted() -> dict[str, list[PolicyRule]]:
    """The rules of each account, those of roles in namespaces too."""
    rules: dict[str, list[PolicyRule]] = {}
    for obj in bootstrap_objects():
        if isinstance(obj, (ClusterRole, Role)):
            rules.setdefault(obj.metadata.name, []).extend(obj.rules or ())
    return rules


def role_of(account: str) -> str:
    return f"system:controller:{account}" if account != MANAGER else f"system:{MANAGER}"


def declared(controller: Controller) -> Iterator[tuple[str, str, str, str]]:
    account = controller.account or MANAGER
    for rule in controller.rules:
        yield from ((account, verb, rule.group, resource) for resource in rule.resources for verb in rule.verbs)


EVERY = sorted({each for controller in controllers() for each in declared(controller)})


def as_rule(verb: str, group: str, resource: str) -> PolicyRule:
    return PolicyRule(verbs=[verb], apiGroups=[group], resources=[resource])


@pytest.mark.parametrize("controller", controllers(), ids=lambda controller: controller.name)
def test_a_controller_acts_as_upstreams(controller: Controller) -> None:
    assert role_of(controller.account or MANAGER) in granted()
    assert controller.account or controller.name == "serviceaccount-token-controller", "only that one acts as the manager, as upstream's"


def test_what_is_declared_is_granted() -> None:
    rules = granted()
    missing = [each for each in EVERY if each not in BY_NAME and missing_rules([*rules[role_of(each[0])], INFORMERS], [as_rule(*each[1:])])]
    assert missing == []


def covers(rules: Sequence[tuple[str, str, str, str]], account: str, verb: str, group: str, resource: str) -> bool:
    return any((who, may) == (account, verb) and of in (group, "*") and what in (resource, "*") for who, may, of, what in rules)


def test_what_is_asked_is_declared() -> None:
    asked = [(account, verb, "" if group == "core" else group, resource) for account, verb, group, resource in ASKED]
    by_controllers = [each for each in asked if each[0] != MANAGER or each[1] not in ("list", "watch")]
    assert [each for each in by_controllers if not covers(EVERY, *each)] == []


def test_what_is_declared_is_asked() -> None:
    asked = {(account, verb, "" if group == "core" else group, resource) for account, verb, group, resource in ASKED}
    unused = [
        each
        for each in EVERY
        if each[1] not in ("list", "watch", *FOR_ADMISSION)
        and "*" not in each
        and not each[3].endswith(FOR_ADMISSION)
        and each not in asked
    ]
    assert set(unused) == UNSEEN
