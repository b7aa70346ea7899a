"""What a client is warned of though it is allowed, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import catalogue
from pilothouse.machinery.codec import clone
from tests.unit.api.objects import created, warned_of

HIDES = 'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'
NAMED = "metadata.name: this is used in {}, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"
HOSTNAME = NAMED.format("the Pod's hostname")


def thing(kind: str, version: str = "v1", name: str = "a", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "n", "annotations": annotations or {}},
        "spec": spec,
    }


def container(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "i:1", **fields}


def pod(*containers: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return thing("Pod", annotations=annotations, containers=list(containers) or [container()], **spec)


def template(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()], **spec}}


def ports(*ports: dict[str, Any], name: str = "a") -> dict[str, Any]:
    return container(name, ports=list(ports))


OLD_SELECTOR = {"beta.kubernetes.io/os": "linux"}
OLD_LABEL = 'deprecated since v1.14; use "kubernetes.io/os" instead'
SELECTS = {"matchLabels": {"a": "b"}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(pod(), [], id="nothing of a plain pod"),
        pytest.param(thing("Pod", name="a.b", containers=[container()]), [HOSTNAME], id="dots"),
        pytest.param(pod(nodeSelector=OLD_SELECTOR), [f"spec.nodeSelector[beta.kubernetes.io/os]: {OLD_LABEL}"], id="an old label"),
        pytest.param(
            pod(
                affinity={
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {
                                "weight": 1,
                                "preference": {"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "In", "values": ["-"]}]},
                            }
                        ]
                    },
                    "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "x"}]},
                }
            ),
            [
                "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key: "
                f"beta.kubernetes.io/os is {OLD_LABEL}",
                "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].values[0]: "
                "- is invalid, a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
                "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
                "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: "
                "a null labelSelector results in matching no pod",
            ],
            id="affinity to old labels and to no pod",
        ),
        pytest.param(
            pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
            ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"],
            id="spreading of no pod",
        ),
        pytest.param(
            pod(annotations={"scheduler.alpha.kubernetes.io/critical-pod": ""}),
            [
                "metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; "
                'use the "priorityClassName" field instead'
            ],
            id="an annotation of old",
        ),
        pytest.param(
            pod(annotations={"container.seccomp.security.alpha.kubernetes.io/a": "unconfined"}),
            [
                "metadata.annotations[container.seccomp.security.alpha.kubernetes.io/a]: non-functional in v1.27+; "
                'use the "seccompProfile" field instead'
            ],
            id="a seccomp annotation",
        ),
        pytest.param(
            pod(volumes=[{"name": "g", "gitRepo": {"repository": "r"}}]),
            ["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
            id="a volume of a kind that is gone",
        ),
        pytest.param(
            pod(volumes=[{"name": "c", "configMap": {"name": "m", "items": [{"key": "a", "path": "a"}, {"key": "b", "path": "a/b"}]}}]),
            ['volume "c" (ConfigMap "m"): overlapping paths: "a/b" with "a"'],
            id="a file in a file",
        ),
        pytest.param(
            pod(
                volumes=[
                    {
                        "name": "p",
                        "projected": {
                            "sources": [
                                {"configMap": {"name": "m", "items": [{"key": "a", "path": "token"}]}},
                                {"serviceAccountToken": {"path": "token"}},
                                {},
                            ]
                        },
                    }
                ]
            ),
            [
                'volume "p" (Projected): overlapping paths: "token" (ServiceAccountToken) with "token" (ConfigMap "m")',
                'volume "p" (Projected) has no sources provided',
            ],
            id="two sources of one path",
        ),
        pytest.param(
            pod(
                hostAliases=[{"ip": "1.2.3.4"}, {"ip": "1.2.3.4"}, {"ip": "::0001"}],
                imagePullSecrets=[{"name": "s"}, {"name": "s"}, {"name": ""}],
            ),
            [
                'spec.hostAliases[1].ip: duplicate ip "1.2.3.4"',
                'spec.hostAliases[2].ip: IPv6 address "::0001" should be in RFC 5952 canonical format ("::1")',
                'spec.imagePullSecrets[1].name: duplicate name "s"',
                'spec.imagePullSecrets[2].name: invalid empty name ""',
            ],
            id="lists that say things twice",
        ),
        pytest.param(
            pod(container(resources={"limits": {"memory": "100m"}})),
            [
                'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
                'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
            ],
            id="a tenth of a byte",
        ),
        pytest.param(pod(container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])), [HIDES], id="a variable is hidden"),
        pytest.param(pod(container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)"}])), [HIDES], id="a variable is itself"),
        pytest.param(pod(container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}])), [], id="a variable is built on"),
        pytest.param(
            pod(ports({"containerPort": 80}, {"containerPort": 80}, {"containerPort": 80, "hostPort": 1})),
            [
                "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
                "spec.containers[0].ports[2]: overlapping port definition with spec.containers[0].ports[0]",
                "spec.containers[0].ports[2]: overlapping port definition with spec.containers[0].ports[1]",
            ],
            id="one port twice",
        ),
        pytest.param(
            pod(ports({"containerPort": 80, "hostPort": 1, "hostIP": "1.2.3.4"}, {"containerPort": 80, "hostPort": 1})),
            ["spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]"],
            id="a port of all addresses and of one",
        ),
        pytest.param(
            pod(ports({"containerPort": 80, "hostIP": "1.2.3.4"})),
            ["spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.2.3.4}"],
            id="an address without a port",
        ),
        pytest.param(
            pod(ports({"containerPort": 80, "name": "web"}), ports({"containerPort": 81, "name": "web"}, name="b")),
            [
                'spec.containers[1].ports[0]: duplicate port name "web" with spec.containers[0].ports[0], '
                "services and probes that select ports by name will use spec.containers[0].ports[0]"
            ],
            id="two ports of one name",
        ),
        *(
            pytest.param(
                thing(kind, "apps/v1", selector=SELECTS, template=template(nodeSelector=OLD_SELECTOR)),
                [f"spec.template.spec.nodeSelector[beta.kubernetes.io/os]: {OLD_LABEL}"],
                id=f"the template of a {kind}",
            )
            for kind in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
        ),
        pytest.param(
            thing("Deployment", "apps/v1", name="a.b", selector=SELECTS, template=template()),
            [NAMED.format("Pod names and hostnames")],
            id="a deployment with dots",
        ),
        pytest.param(
            thing(
                "CronJob",
                "batch/v1",
                schedule="* * * * *",
                jobTemplate={"spec": {"template": template(restartPolicy="Never", nodeSelector=OLD_SELECTOR)}},
            ),
            [f"spec.jobTemplate.spec.template.spec.nodeSelector[beta.kubernetes.io/os]: {OLD_LABEL}"],
            id="the template in the template of a cronjob",
        ),
        pytest.param(
            thing("Service", clusterIP="None", externalIPs=["1.2.3.4"], sessionAffinity="ClientIP", externalName="x.y"),
            [
                "spec.externalIPs is ignored for headless services",
                "spec.SessionAffinity is ignored for headless services",
                'spec.externalName is ignored when spec.type is not "ExternalName"',
            ],
            id="what a headless service ignores",
        ),
        pytest.param(
            thing("Service", type="LoadBalancer", ports=[{"port": 1}], loadBalancerSourceRanges=["10.0.0.1/8"]),
            [
                'spec.loadBalancerSourceRanges[0]: CIDR value "10.0.0.1/8" is ambiguous in this context '
                '(should be "10.0.0.0/8" or "10.0.0.1/32"?)'
            ],
            id="a range with bits beyond its length",
        ),
        pytest.param(
            thing(
                "PersistentVolume",
                accessModes=["ReadWriteOnce"],
                capacity={"storage": "100m"},
                persistentVolumeReclaimPolicy="Recycle",
                rbd={"monitors": ["m"], "image": "i"},
            ),
            [
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to "
                "use dynamic provisioning.",
                "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
            ],
            id="an old volume",
        ),
        pytest.param(
            thing(
                "PersistentVolumeClaim",
                annotations={"volume.beta.kubernetes.io/storage-class": "x"},
                resources={"requests": {"storage": "1500m"}},
            ),
            [
                "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; "
                'use "storageClassName" attribute instead',
                'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
            ],
            id="a claim of old, and of half a byte",
        ),
        pytest.param(
            thing("Ingress", "networking.k8s.io/v1", annotations={"kubernetes.io/ingress.class": "x"}),
            ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"],
            id="an ingress class of old",
        ),
        pytest.param(
            thing("NetworkPolicy", "networking.k8s.io/v1", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}]),
            [
                'spec.ingress[0].from[0].ipBlock.cidr: CIDR value "10.0.0.1/8" is ambiguous in this context '
                '(should be "10.0.0.0/8" or "10.0.0.1/32"?)'
            ],
            id="a policy for an ambiguous range",
        ),
    ],
)
def test_a_writer_is_told_what_is_odd(document: dict[str, Any], expected: list[str]) -> None:
    assert warned_of(document) == expected


def test_an_update_warns_of_a_template_only_when_the_spec_changed() -> None:
    old = created(thing("Deployment", "apps/v1", selector=SELECTS, template=template(nodeSelector=OLD_SELECTOR)))
    same, changed = clone(old), clone(old)
    changed.metadata.generation = old.metadata.generation + 1
    (warn,) = catalogue.resource_of(type(old)).warners
    assert list(warn(same, old)) == []
    assert list(warn(changed, old)) == [f"spec.template.spec.nodeSelector[beta.kubernetes.io/os]: {OLD_LABEL}"]
