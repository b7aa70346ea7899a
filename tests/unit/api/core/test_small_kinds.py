"""ConfigMaps, Secrets, Namespaces and the other kinds with few rules."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pilothouse.machinery.codec import clone
from tests.unit.api.objects import created, defaulted, wrong_with, wrong_with_change, wrong_with_status


def thing(kind: str, api: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "t", "namespace": "n", **fields.pop("metadata", {})}, **fields}


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def rbac(kind: str, **fields: Any) -> dict[str, Any]:
    return thing(kind, "rbac.authorization.k8s.io/v1", **fields)


CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
    "regex used for validation is '[-._a-zA-Z0-9]+')"
)
INGRESS = {"host": "a.b", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s"}}}]}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(thing("ConfigMap", data={"a": "b"}, binaryData={"c": coded("d")}), [], id="configmap"),
        pytest.param(
            thing("ConfigMap", data={"a b": "c"}), [f'data[a b]: Invalid value: "a b": {CONFIG_KEY}'], id="a key that names no file"
        ),
        pytest.param(
            thing("ConfigMap", data={"a": "b"}, binaryData={"a": coded("d")}),
            ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
            id="a key twice",
        ),
        pytest.param(
            thing("ConfigMap", data={"a": "x" * 1048577}), ["[]: Too long: may not be more than 1048576 bytes"], id="more than a MiB"
        ),
        pytest.param(
            thing("Secret", type="kubernetes.io/tls"),
            ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
            id="a certificate that is not there",
        ),
        pytest.param(
            thing("Secret", type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "x"}),
            [
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": '
                "invalid character 'x' looking for beginning of value"
            ],
            id="pull secret that is no JSON",
        ),
        pytest.param(
            thing("Secret", type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "[]"}),
            [
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": '
                "json: cannot unmarshal array into Go value of type map[string]interface {}"
            ],
            id="pull secret that is a list",
        ),
        pytest.param(
            thing("Secret", type="kubernetes.io/service-account-token"),
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
            id="a token of nobody",
        ),
        pytest.param(thing("Secret", data={"a": "?"}), ['data[a]: Invalid value: "?": illegal base64 data'], id="no base64"),
        pytest.param(thing("Binding", target={"kind": "Node", "name": "n"}), [], id="binding"),
        pytest.param(thing("Binding", target={}), ["target.name: Required value"], id="a binding to nothing"),
        pytest.param(
            thing("Namespace", spec={"finalizers": ["mine"]}),
            ['spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'],
            id="a finalizer of nobody",
        ),
        pytest.param(
            thing("Node", spec={"taints": [{"key": "a", "effect": "Soon"}]}),
            ['metadata.taints[0].effect: Unsupported value: "Soon": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'],
            id="an unknown effect",
        ),
        pytest.param(
            thing("Endpoints", subsets=[{"ports": [{"port": 80}]}]),
            ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"],
            id="ports of nothing",
        ),
        pytest.param(
            thing("Endpoints", subsets=[{"addresses": [{"ip": "169.254.1.1"}]}]),
            ['subsets[0].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
            id="a link-local endpoint",
        ),
        pytest.param(
            thing("EndpointSlice", "discovery.k8s.io/v1", addressType="IPv4", endpoints=[{"addresses": ["10.0.0.1"]}], ports=[{"port": 1}]),
            [],
            id="endpointslice",
        ),
        pytest.param(
            thing("EndpointSlice", "discovery.k8s.io/v1"), ["addressType: Required value"], id="an endpointslice without a family"
        ),
        pytest.param(thing("Event", involvedObject={"kind": "Pod", "name": "p", "namespace": "n"}), [], id="event"),
        pytest.param(
            thing("Event", involvedObject={"kind": "Pod", "name": "p", "namespace": "m"}),
            ['involvedObject.namespace: Invalid value: "m": does not match event.namespace'],
            id="an event of another namespace",
        ),
        pytest.param(
            thing("PodDisruptionBudget", "policy/v1", spec={"minAvailable": 1, "maxUnavailable": 1}),
            [
                'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: '
                "minAvailable and maxUnavailable cannot be both set"
            ],
            id="a budget that says both",
        ),
        pytest.param(
            thing("Ingress", "networking.k8s.io/v1", spec={"rules": [INGRESS]}),
            ["spec.rules[0].http.paths[0].backend: Required value: port name or number is required"],
            id="an ingress to no port",
        ),
        pytest.param(
            thing("RuntimeClass", "node.k8s.io/v1", handler="h", overhead={"podFixed": {"cpu": "-1"}}),
            ['overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
            id="an overhead below nothing",
        ),
        pytest.param(
            thing(
                "StorageClass",
                "storage.k8s.io/v1",
                provisioner="p",
                allowedTopologies=[{"matchLabelExpressions": [{"key": "zone", "values": ["a"]}, {"key": "a b", "values": []}]}] * 2,
            ),
            [
                *(
                    f"allowedTopologies[{index}].matchLabelExpressions[1].{wrong}"
                    for index in range(2)
                    for wrong in (
                        "values: Required value",
                        "key: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
                        "and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation "
                        "is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                    )
                ),
                'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""',
            ],
            id="a topology twice",
        ),
        pytest.param(
            thing("EndpointSlice", "discovery.k8s.io/v1", addressType="FQDN", endpoints=[{"addresses": ["a", "b.c"]}]),
            [
                'endpoints[0].addresses[0]: Invalid value: "a": should be a domain with at least two segments separated by dots',
            ],
            id="a domain of one part",
        ),
        pytest.param(
            thing(
                "EndpointSlice",
                "discovery.k8s.io/v1",
                addressType="IPv4",
                endpoints=[
                    {"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "a"}, {"name": "a"}], "forNodes": [{"name": "a"}] * 9}}
                ],
            ),
            [
                'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
                "endpoints[0].hints.forNodes: Too many: 9: must have at most 8 items",
            ],
            id="hints twice, and too many",
        ),
        pytest.param(
            thing(
                "Service",
                metadata={
                    "annotations": {"service.kubernetes.io/topology-aware-hints": "Auto", "service.kubernetes.io/topology-mode": "Disabled"}
                },
                spec={"ports": [{"port": 1}]},
            ),
            [
                'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "Disabled": must match '
                "annotations[service.kubernetes.io/topology-aware-hints] when both are specified"
            ],
            id="two words about topology",
        ),
        pytest.param(
            thing(
                "ValidatingAdmissionPolicy",
                "admissionregistration.k8s.io/v1",
                spec={
                    "validations": [{"expression": "true"}],
                    "failurePolicy": "Retry",
                    "matchConstraints": {
                        "resourceRules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": []}]
                    },
                },
            ),
            [
                'spec.failurePolicy: Unsupported value: "Retry": supported values: "Fail", "Ignore"',
                "spec.matchConstraints.resourceRules[0].resources: Required value",
            ],
            id="a policy about nothing",
        ),
        pytest.param(
            thing(
                "Service",
                metadata={"annotations": {"service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, all"}},
                spec={"ports": [{"port": 1}]},
            ),
            [
                "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be used when `type` is "
                "'LoadBalancer'",
                'metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: "all": must be a valid CIDR '
                "value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            ],
            id="sources of an annotation",
        ),
        pytest.param(
            thing("Ingress", "networking.k8s.io/v1", spec={}),
            ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
            id="an ingress to nothing",
        ),
        pytest.param(
            thing(
                "Ingress",
                "networking.k8s.io/v1",
                metadata={"annotations": {"kubernetes.io/ingress.class": "a"}},
                spec={"ingressClassName": "b", "defaultBackend": {"resource": {"kind": "a/b", "name": ""}}},
            ),
            [
                "spec.defaultBackend.resource.kind: Invalid value: \"a/b\": may not contain '/'",
                "spec.defaultBackend.resource.name: Required value",
                'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
            ],
            id="an ingress of two classes",
        ),
        pytest.param(
            thing(
                "IngressClass",
                "networking.k8s.io/v1",
                spec={"controller": "a/b c", "parameters": {"kind": "K", "scope": "Namespace", "namespace": "A"}},
            ),
            [
                "spec.controller: Invalid value: \"b c\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
                'spec.parameters.namespace: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric '
                "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
                "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
                "spec.parameters.name: Required value",
            ],
            id="a class of a strange path",
        ),
        pytest.param(
            thing("ResourceQuota", spec={"hard": {"services": "1"}, "scopes": ["BestEffort"]}),
            ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
            id="services have no quality",
        ),
        pytest.param(
            thing(
                "ResourceQuota",
                spec={
                    "hard": {"pods": "1"},
                    "scopeSelector": {
                        "matchExpressions": [{"scopeName": one, "operator": "Exists"} for one in ("Terminating", "NotTerminating")]
                    },
                },
            ),
            ["spec.scopeSelector.matchExpressions: Invalid value: null: conflicting scopes"],
            id="for what ends and what does not",
        ),
        pytest.param(
            thing("NetworkPolicy", "networking.k8s.io/v1", spec={"podSelector": {}, "ingress": [{"from": [{}]}]}),
            ["spec.ingress[0].from[0]: Required value: must specify a peer"],
            id="a policy for nobody",
        ),
        pytest.param(
            thing("PersistentVolumeClaim", spec={}),
            ["spec.accessModes: Required value: at least 1 access mode is required", "spec.resources[storage]: Required value"],
            id="a claim of nothing",
        ),
        pytest.param(
            thing("PersistentVolume", spec={"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}),
            ["spec: Required value: must specify a volume type"],
            id="a volume of nothing",
        ),
        pytest.param(
            thing("PriorityClass", "scheduling.k8s.io/v1", value=1000000001),
            ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
            id="too important",
        ),
        pytest.param(
            rbac("Role", rules=[{"verbs": [], "apiGroups": [""], "resources": ["pods"]}]),
            ["rules[0].verbs: Required value"],
            id="a rule without verbs",
        ),
        pytest.param(
            rbac("RoleBinding", roleRef={"kind": "Role", "name": "r"}, subjects=[{"kind": "Robot", "name": "x"}]),
            ['subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"'],
            id="a subject that is none",
        ),
        pytest.param(
            rbac("ClusterRoleBinding", roleRef={"kind": "Role", "name": "r"}),
            ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'],
            id="a role everywhere",
        ),
        pytest.param(
            thing("Lease", "coordination.k8s.io/v1", spec={"leaseDurationSeconds": 0}),
            ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
            id="a lease for no time",
        ),
        pytest.param(
            thing("LimitRange", spec={"limits": [{"type": "Container", "min": {"cpu": 2}, "max": {"cpu": 1}}]}),
            [
                'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
                'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
                'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
            ],
            id="a least above the most",
        ),
        pytest.param(
            thing("ResourceQuota", spec={"hard": {"pods": "1.5", "chairs": 1}}),
            [
                'spec.hard[pods]: Invalid value: "1500m": must be an integer',
                'spec.hard[chairs]: Invalid value: "chairs": must be a standard resource type or fully qualified',
                'spec.hard[chairs]: Invalid value: "chairs": must be a standard resource for quota',
            ],
            id="half a pod, and chairs",
        ),
    ],
)
def test_everything_wrong_is_reported_in_upstreams_words(document: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(document) == expected


def test_string_data_goes_into_data() -> None:
    one = defaulted(thing("Secret", data={"a": coded("old"), "b": coded("kept")}, stringData={"a": "new"}))
    assert (one.data, one.stringData, one.type) == ({"a": coded("new"), "b": coded("kept")}, {}, "Opaque")


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_what_is_frozen_stays(kind: str) -> None:
    old = created(thing(kind, data={"a": coded("b")}, immutable=True))
    new = clone(old)
    new.data, new.immutable = {"a": coded("c")}, None
    frozen = "Forbidden: field is immutable when `immutable` is set"
    assert wrong_with_change(old, new) == [f"immutable: {frozen}", f"data: {frozen}"]


def test_a_namespace_bears_its_name_and_its_finalizer() -> None:
    one = created(thing("Namespace"))
    assert one.metadata.labels == {"kubernetes.io/metadata.name": "t"}
    assert (one.spec.finalizers, one.status.phase) == (["kubernetes"], "Active")


def test_a_namespace_keeps_its_finalizers_on_update() -> None:
    old = created(thing("Namespace"))
    new = clone(old)
    new.spec.finalizers = []
    assert wrong_with_change(old, new) == []
    assert new.spec.finalizers == ["kubernetes"]


@pytest.mark.parametrize(
    ("deleted", "phase", "allowed"),
    [
        pytest.param("", "Active", True, id="active"),
        pytest.param("", "Terminating", False, id="terminating but not deleted"),
        pytest.param("2026-01-01T00:00:00Z", "Terminating", True, id="terminating"),
        pytest.param("2026-01-01T00:00:00Z", "Active", False, id="active but deleted"),
    ],
)
def test_the_phase_of_a_namespace_follows_its_deletion(deleted: str, phase: str, allowed: bool) -> None:
    old = created(thing("Namespace", metadata={"deletionTimestamp": deleted}))
    new = clone(old)
    new.status.phase = phase
    assert (not wrong_with_status(old, new)) == allowed


def test_a_node_gets_its_address_range_once() -> None:
    old = created(thing("Node"))
    new = clone(old)
    new.spec.podCIDRs = ["10.0.0.0/24"]
    assert wrong_with_change(old, new) == []
    other = clone(new)
    other.spec.podCIDRs = ["10.0.1.0/24"]
    message = 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    assert wrong_with_change(new, other) == [message]


def test_allocatable_is_capacity_where_it_is_not_said() -> None:
    one = defaulted(thing("Node", status={"capacity": {"cpu": "2000m"}}))
    assert one.status.allocatable == {"cpu": "2"}


def test_a_limit_range_fills_its_defaults() -> None:
    one = defaulted(thing("LimitRange", spec={"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]}))
    assert (one.spec.limits[0].default, one.spec.limits[0].defaultRequest) == ({"cpu": "2"}, {"cpu": "2", "memory": "1Mi"})


def test_a_bound_claim_may_only_grow() -> None:
    document = thing("PersistentVolumeClaim", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}})
    old = created(document)
    old.status.phase, old.status.capacity = "Bound", {"storage": "2Gi"}
    larger, smaller = clone(old), clone(old)
    larger.spec.resources.requests["storage"] = "3Gi"
    smaller.spec.resources.requests["storage"] = "1Gi"
    assert wrong_with_change(old, larger) == []
    assert wrong_with_change(old, smaller) == ["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]
