"""The FlowSchemas and PriorityLevelConfigurations that every cluster has, as kube-apiserver 1.37 makes them.

MANDATORY objects always have these specs. The others are suggested: whoever sets the annotation AUTO_UPDATE to "false" may change them.
"""

from __future__ import annotations

from pilothouse.api.types.flowcontrol_v1 import (
    ExemptPriorityLevelConfiguration,
    FlowDistinguisherMethod,
    FlowSchema,
    FlowSchemaSpec,
    GroupSubject,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationReference,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
    UserSubject,
)
from pilothouse.machinery.meta_v1 import ObjectMeta

AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
EXEMPT, CATCH_ALL = "exempt", "catch-all"
MANDATORY = frozenset((EXEMPT, CATCH_ALL))
ANY = ["*"]
QUEUE_LENGTH = 50


def priority_levels() -> list[PriorityLevelConfiguration]:
    """New objects each time: who gets them may change them."""
    exempt = PriorityLevelConfigurationSpec(
        type="Exempt", exempt=ExemptPriorityLevelConfiguration(nominalConcurrencyShares=0, lendablePercent=0)
    )
    limited = [
        _limited(CATCH_ALL, 5, 0),
        _limited("system", 30, 33, queues=64),
        _limited("node-high", 40, 25, queues=64),
        _limited("leader-election", 10, 0, queues=16, hand_size=4),
        _limited("workload-high", 40, 50, queues=128),
        _limited("workload-low", 100, 90, queues=128),
        _limited("global-default", 20, 50, queues=128),
    ]
    return [PriorityLevelConfiguration(metadata=_metadata(EXEMPT), spec=exempt), *limited]


def flow_schemas() -> list[FlowSchema]:
    """New objects each time, in the order in which requests are matched."""
    everybody = [_group("system:unauthenticated"), _group("system:authenticated")]
    kube_system = _service_accounts("kube-system")
    manager, scheduler = _user("system:kube-controller-manager"), _user("system:kube-scheduler")
    leases = _resources("coordination.k8s.io", ["leases"], ["get", "create", "update"])
    return [
        _schema(EXEMPT, 1, EXEMPT, "", _everything(_group("system:masters"))),
        _schema("probes", 2, EXEMPT, "", _paths(everybody, ["/healthz", "/readyz", "/livez"], ["get"])),
        _schema("system-leader-election", 100, "leader-election", "ByUser", _of([manager, scheduler, kube_system], leases)),
        _schema("system-node-high", 400, "node-high", "ByUser", _of([_group("system:nodes")], *_node_resources())),
        _schema("system-nodes", 500, "system", "ByUser", _everything(_group("system:nodes"))),
        _schema("kube-controller-manager", 800, "workload-high", "ByNamespace", _everything(manager)),
        _schema("kube-scheduler", 800, "workload-high", "ByNamespace", _everything(scheduler)),
        _schema("kube-system-service-accounts", 900, "workload-high", "ByNamespace", _everything(kube_system)),
        _schema("service-accounts", 9000, "workload-low", "ByUser", _everything(_group("system:serviceaccounts"))),
        _schema("global-default", 9900, "global-default", "ByUser", _everything(*everybody)),
        _schema(CATCH_ALL, 10000, CATCH_ALL, "ByUser", _everything(*everybody)),
    ]


def _metadata(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, annotations={AUTO_UPDATE: "true"})


def _limited(name: str, shares: int, lendable_percent: int, *, queues: int = 0, hand_size: int = 6) -> PriorityLevelConfiguration:
    response = LimitResponse(type="Reject")
    if queues:
        response = LimitResponse(
            type="Queue", queuing=QueuingConfiguration(queues=queues, handSize=hand_size, queueLengthLimit=QUEUE_LENGTH)
        )
    limited = LimitedPriorityLevelConfiguration(nominalConcurrencyShares=shares, lendablePercent=lendable_percent, limitResponse=response)
    return PriorityLevelConfiguration(metadata=_metadata(name), spec=PriorityLevelConfigurationSpec(type="Limited", limited=limited))


def _schema(name: str, precedence: int, level: str, method: str, rules: PolicyRulesWithSubjects) -> FlowSchema:
    spec = FlowSchemaSpec(
        priorityLevelConfiguration=PriorityLevelConfigurationReference(name=level),
        matchingPrecedence=precedence,
        distinguisherMethod=FlowDistinguisherMethod(type=method) if method else None,
        rules=[rules],
    )
    return FlowSchema(metadata=_metadata(name), spec=spec)


def _of(subjects: list[Subject], *rules: ResourcePolicyRule) -> PolicyRulesWithSubjects:
    return PolicyRulesWithSubjects(subjects=subjects, resourceRules=list(rules))


def _paths(subjects: list[Subject], paths: list[str], verbs: list[str]) -> PolicyRulesWithSubjects:
    return PolicyRulesWithSubjects(subjects=subjects, nonResourceRules=[NonResourcePolicyRule(verbs=verbs, nonResourceURLs=paths)])


def _everything(*subjects: Subject) -> PolicyRulesWithSubjects:
    return PolicyRulesWithSubjects(
        subjects=list(subjects),
        resourceRules=[_resources("*", ANY, ANY, cluster_scope=True)],
        nonResourceRules=[NonResourcePolicyRule(verbs=list(ANY), nonResourceURLs=list(ANY))],
    )


def _node_resources() -> list[ResourcePolicyRule]:
    return [
        _resources("", ["nodes", "nodes/status"], ANY, cluster_scope=True),
        _resources("coordination.k8s.io", ["leases"], ANY),
    ]


def _resources(group: str, resources: list[str], verbs: list[str], *, cluster_scope: bool = False) -> ResourcePolicyRule:
    return ResourcePolicyRule(
        apiGroups=[group], resources=list(resources), verbs=list(verbs), namespaces=list(ANY), clusterScope=cluster_scope
    )


def _group(name: str) -> Subject:
    return Subject(kind="Group", group=GroupSubject(name=name))


def _user(name: str) -> Subject:
    return Subject(kind="User", user=UserSubject(name=name))


def _service_accounts(namespace: str) -> Subject:
    return Subject(kind="ServiceAccount", serviceAccount=ServiceAccountSubject(namespace=namespace, name="*"))
