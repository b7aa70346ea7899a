"""The columns of every kind: upstream's names, and cells for an object that says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import catalogue, wellknown
from pilothouse.machinery.resource import AGE, Resource, Since
from tests.unit.api.objects import cells, parsed

# What `kubectl get` heads the columns with; those of `-o wide` after a bar.
HEADERS = {
    "apiservices": "SERVICE AVAILABLE AGE",
    "certificatesigningrequests": "AGE SIGNERNAME REQUESTOR REQUESTEDDURATION CONDITION",
    "clusterrolebindings": "ROLE AGE | USERS GROUPS SERVICEACCOUNTS",
    "clusterroles": "CREATED-AT",
    "clustertrustbundles": "SIGNERNAME",
    "componentstatuses": "STATUS MESSAGE ERROR",
    "configmaps": "DATA AGE",
    "controllerrevisions": "CONTROLLER REVISION AGE",
    "cronjobs": "SCHEDULE TIMEZONE SUSPEND ACTIVE LAST-SCHEDULE AGE | CONTAINERS IMAGES SELECTOR",
    "csidrivers": "ATTACHREQUIRED PODINFOONMOUNT STORAGECAPACITY TOKENREQUESTS REQUIRESREPUBLISH MODES AGE",
    "csinodes": "DRIVERS AGE",
    "csistoragecapacities": "CREATED-AT",
    "customresourcedefinitions": "SCOPE VERSIONS CREATED-AT | GROUP KIND SHORTNAMES ESTABLISHED",
    "daemonsets": "DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE-SELECTOR AGE | CONTAINERS IMAGES SELECTOR",
    "deployments": "READY UP-TO-DATE AVAILABLE AGE | CONTAINERS IMAGES SELECTOR",
    "deviceclasses": "AGE",
    "devicetaintrules": "KEY VALUE EFFECT TIMEADDED AGE",
    "endpoints": "ENDPOINTS AGE",
    "endpointslices": "ADDRESSTYPE PORTS ENDPOINTS AGE",
    "events": "LAST-SEEN TYPE REASON OBJECT MESSAGE | SUBOBJECT SOURCE FIRST-SEEN COUNT NAME",
    "flowschemas": "PRIORITYLEVEL MATCHINGPRECEDENCE DISTINGUISHERMETHOD AGE MISSINGPL",
    "horizontalpodautoscalers": "REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE",
    "ingressclasses": "CONTROLLER PARAMETERS AGE",
    "ingresses": "CLASS HOSTS ADDRESS PORTS AGE",
    "ipaddresses": "PARENTREF",
    "jobs": "STATUS COMPLETIONS DURATION AGE | CONTAINERS IMAGES SELECTOR",
    "leases": "HOLDER AGE",
    "limitranges": "CREATED-AT",
    "mutatingadmissionpolicies": "MUTATIONS PARAMKIND AGE",
    "mutatingadmissionpolicybindings": "POLICYNAME PARAMREF AGE",
    "mutatingwebhookconfigurations": "WEBHOOKS AGE",
    "namespaces": "STATUS AGE",
    "networkpolicies": "POD-SELECTOR AGE",
    "nodes": "STATUS ROLES AGE VERSION | INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME",
    "persistentvolumeclaims": "STATUS VOLUME CAPACITY ACCESS-MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE | VOLUMEMODE",
    "persistentvolumes": "CAPACITY ACCESS-MODES RECLAIM-POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE | VOLUMEMODE",
    "podcertificaterequests": "PODNAME SERVICEACCOUNTNAME NODENAME SIGNERNAME STATE UNVERIFIEDUSERANNOTATIONS",
    "poddisruptionbudgets": "MIN-AVAILABLE MAX-UNAVAILABLE ALLOWED-DISRUPTIONS AGE",
    "pods": "READY STATUS RESTARTS AGE | IP NODE NOMINATED-NODE READINESS-GATES",
    "podtemplates": "CONTAINERS IMAGES POD-LABELS",
    "priorityclasses": "VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY",
    "prioritylevelconfigurations": "TYPE NOMINALCONCURRENCYSHARES QUEUES HANDSIZE QUEUELENGTHLIMIT AGE",
    "replicasets": "DESIRED CURRENT READY AGE | CONTAINERS IMAGES SELECTOR",
    "replicationcontrollers": "DESIRED CURRENT READY AGE | CONTAINERS IMAGES SELECTOR",
    "resourceclaims": "STATE AGE",
    "resourceclaimtemplates": "AGE",
    "resourcequotas": "REQUEST LIMIT AGE",
    "resourceslices": "NODE DRIVER POOL AGE",
    "rolebindings": "ROLE AGE | USERS GROUPS SERVICEACCOUNTS",
    "roles": "CREATED-AT",
    "runtimeclasses": "HANDLER AGE",
    "secrets": "TYPE DATA AGE",
    "serviceaccounts": "AGE",
    "servicecidrs": "CIDRS AGE",
    "services": "TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE | SELECTOR",
    "statefulsets": "READY AGE | CONTAINERS IMAGES",
    "storageclasses": "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE",
    "storageversionmigrations": "NAME RESOURCE STATUS",
    "validatingadmissionpolicies": "VALIDATIONS PARAMKIND AGE",
    "validatingadmissionpolicybindings": "POLICYNAME PARAMREF AGE",
    "validatingwebhookconfigurations": "WEBHOOKS AGE",
    "volumeattachments": "ATTACHER PV NODE ATTACHED AGE",
    "volumeattributesclasses": "NAME DRIVERNAME AGE",
}


def identity(one: Resource[Any]) -> str:
    return f"{one.api_version}/{one.plural}"


@pytest.mark.parametrize("one", [one for one in catalogue.resources() if one.plural in HEADERS], ids=identity)
def test_the_headers_are_kubectls(one: Resource[Any]) -> None:
    columns = (AGE,) if one.columns is None else one.columns
    narrow, _, wide = HEADERS[one.plural].partition(" | ")

    def heads(priority: int) -> list[str]:
        return [column.name.upper().replace(" ", "-") for column in columns if column.priority == priority]

    assert (heads(0), heads(1)) == (narrow.split(), wide.split())


@pytest.mark.parametrize("one", catalogue.resources(), ids=identity)
def test_an_object_that_says_nothing_has_its_cells(one: Resource[Any]) -> None:
    for column in one.columns or ():
        assert isinstance(column.value(one.type()), str | int | bool | Since | None), column.name
    for name, value in one.selectable_fields.items():
        assert isinstance(value(one.type()), str), name


def text(kind: str, api: str = "v1", **fields: Any) -> dict[str, Any]:
    return cells(parsed({"apiVersion": api, "kind": kind, "metadata": fields.pop("metadata", {}), **fields}))


@pytest.mark.parametrize(
    ("found", "column", "expected"),
    [
        pytest.param(
            text("Service", spec={"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}),
            "Port(s)", "80:30080/TCP", id="service ports",
        ),
        pytest.param(text("Service", spec={"type": "LoadBalancer"}), "External-IP", "<pending>", id="no balancer yet"),
        pytest.param(text("Service", spec={"clusterIPs": ["None"]}), "Cluster-IP", "None", id="headless"),
        pytest.param(
            text("Node", status={"conditions": [{"type": "Ready", "status": "Unknown"}]}, spec={"unschedulable": True}),
            "Status", "NotReady,SchedulingDisabled", id="cordoned node that is silent",
        ),
        pytest.param(
            text("Node", metadata={"labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "x"}}),
            "Roles", "control-plane,x", id="roles",
        ),
        pytest.param(
            text("Endpoints", subsets=[{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(1, 6)], "ports": [{"port": 80}]}]),
            "Endpoints", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...", id="many endpoints",
        ),
        pytest.param(
            text("EndpointSlice", "discovery.k8s.io/v1", endpoints=[{"addresses": ["10.0.0.1"]}], ports=[{"name": "a"}]),
            "Ports", "a", id="a port by name alone",
        ),
        pytest.param(text("EndpointSlice", "discovery.k8s.io/v1"), "Endpoints", "<unset>", id="no endpoints"),
        pytest.param(
            text("Deployment", "apps/v1", spec={"replicas": 3, "selector": {"matchLabels": {"a": "b"}}}, status={"readyReplicas": 2}),
            "Ready", "2/3", id="deployment",
        ),
        pytest.param(
            text("Deployment", "apps/v1", spec={"selector": {"matchLabels": {"b": "1", "a": "2"}}}),
            "Selector", "a=2,b=1", id="selector",
        ),
        pytest.param(text("Job", "batch/v1", spec={"parallelism": 3}), "Completions", "0/1 of 3", id="work queue job"),
        pytest.param(
            text("Job", "batch/v1", status={"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:03:20Z"}),
            "Duration", "3m20s", id="how long a job took",
        ),
        pytest.param(text("Secret", data={"a": "", "b": ""}), "Data", 2, id="secret data"),
        pytest.param(text("Event", message=" hi\n", involvedObject={"kind": "Pod", "name": "p"}), "Object", "pod/p", id="event object"),
        pytest.param(
            text("Event", lastTimestamp="", eventTime="2026-01-01T00:00:00.000000Z"),
            "Last Seen", Since("2026-01-01T00:00:00.000000Z"), id="event of the new style",
        ),
        pytest.param(
            text("Ingress", "networking.k8s.io/v1", spec={"rules": [{"host": h} for h in "abcd"]}), "Hosts", "a,b,c + 1 more...", id="hosts"
        ),
        pytest.param(
            text("StorageClass", "storage.k8s.io/v1", metadata={"name": "s", "annotations": {wellknown.DEFAULT_STORAGE_CLASS[0]: "true"}}),
            "Name", "s (default)", id="the default class",
        ),
        pytest.param(
            text(
                "HorizontalPodAutoscaler", "autoscaling/v1",
                spec={"targetCPUUtilizationPercentage": 80}, status={"currentCPUUtilizationPercentage": 20},
            ),
            "Targets", "cpu: 20%/80%", id="autoscaler of the old version",
        ),
        pytest.param(
            text("ResourceQuota", status={"hard": {"pods": "5", "limits.cpu": "2"}, "used": {"pods": "1"}}),
            "Request", "pods: 1/5", id="quota",
        ),
        pytest.param(
            text("PersistentVolume", spec={"accessModes": ["ReadWriteMany", "ReadWriteOnce"]}), "Access Modes", "RWO,RWX", id="access modes"
        ),
    ],
)  # fmt: skip
def test_cells(found: dict[str, Any], column: str, expected: Any) -> None:
    assert found[column] == expected
