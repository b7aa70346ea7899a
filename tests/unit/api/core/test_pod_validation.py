"""What a Pod may not be, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.objects import wrong_with

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def pod(**spec: Any) -> dict[str, Any]:
    spec.setdefault("containers", [{"name": "a", "image": "b"}])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec}


def container(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "a", "image": "b", **fields}])


def mount(volume: dict[str, Any], **fields: Any) -> dict[str, Any]:
    mounts = [{"name": "v", "mountPath": "/v", **fields}]
    return pod(containers=[{"name": "a", "image": "b", "volumeMounts": mounts}], volumes=[{"name": "v", **volume}])


def case(document: dict[str, Any], *expected: str, id: str) -> Any:
    return pytest.param(document, list(expected), id=id)


CONTAINERS = [
    case(pod(), id="the smallest pod"),
    case(pod(containers=[]), "spec.containers: Required value", id="no containers"),
    case(
        pod(containers=[{"name": "A", "image": "b"}]),
        f'spec.containers[0].name: Invalid value: "A": {LABEL}',
        id="a name in capitals",
    ),
    case(pod(containers=[{"image": "b"}]), "spec.containers[0].name: Required value", id="no name"),
    case(pod(containers=[{"name": "a"}]), "spec.containers[0].image: Required value", id="no image"),
    case(
        container(image=" b"),
        'spec.containers[0].image: Invalid value: " b": must not have leading or trailing whitespace',
        id="a padded image",
    ),
    case(
        pod(containers=[{"name": "a", "image": "b"}, {"name": "a", "image": "b"}]),
        'spec.containers[1].name: Duplicate value: "a"',
        id="one name twice",
    ),
    case(
        container(imagePullPolicy="Sometimes"),
        'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
        id="an unknown pull policy",
    ),
    case(
        container(restartPolicy="Sometimes"),
        'spec.containers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
        id="a restart policy on a regular container",
    ),
    case(
        pod(initContainers=[{"name": "i", "image": "b", "readinessProbe": {"tcpSocket": {"port": 1}}}]),
        "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        id="a probe on an init container",
    ),
    case(
        pod(initContainers=[{"name": "i", "image": "b", "restartPolicy": "Always", "readinessProbe": {"tcpSocket": {"port": 1}}}]),
        id="a probe on a sidecar",
    ),
    case(
        pod(initContainers=[{"name": "i", "image": "b", "restartPolicy": "Sometimes"}]),
        'spec.initContainers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
        id="an init container with another restart policy",
    ),
    case(
        pod(initContainers=[{"name": "a", "image": "b"}]),
        'spec.initContainers[0].name: Duplicate value: "a"',
        id="an init container with a container's name",
    ),
    case(
        pod(ephemeralContainers=[{"name": "e", "image": "b"}]),
        "spec.ephemeralContainers: Forbidden: cannot be set on create",
        id="an ephemeral container on create",
    ),
]

FIELDS = [
    case(
        container(ports=[{"containerPort": 0}]),
        "spec.containers[0].ports[0].containerPort: Required value",
        id="port zero",
    ),
    case(
        container(ports=[{"containerPort": 70000, "hostPort": 70000, "protocol": "XTP"}]),
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        "spec.containers[0].ports[0].hostPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        'spec.containers[0].ports[0].protocol: Unsupported value: "XTP": supported values: "SCTP", "TCP", "UDP"',
        id="ports out of range and no protocol",
    ),
    case(
        container(ports=[{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "hostPort": 8080}]),
        'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//8080"',
        id="one host port twice",
    ),
    case(
        container(ports=[{"containerPort": 80, "name": "web"}, {"containerPort": 81, "name": "web"}]),
        'spec.containers[0].ports[1].name: Duplicate value: "web"',
        id="one port name twice",
    ),
    case(
        pod(hostNetwork=True, containers=[{"name": "a", "image": "b", "ports": [{"containerPort": 80, "hostPort": 81}]}]),
        "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true",
        id="another host port on the host's network",
    ),
    case(container(env=[{"value": "x"}]), "spec.containers[0].env[0].name: Required value", id="a variable without a name"),
    case(
        container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        id="a variable with two values",
    ),
    case(
        container(env=[{"name": "A", "valueFrom": {}}]),
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
        "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        id="a variable from nowhere",
    ),
    case(
        container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}}]),
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error converting fieldPath: '
        "field label not supported: spec.foo",
        id="a field that is none",
    ),
    case(
        container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}]),
        id="one label",
    ),
    case(
        container(envFrom=[{}]),
        'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
        id="variables from nowhere",
    ),
    case(
        container(resources={"limits": {"cpu": 1}, "requests": {"cpu": 2}}),
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        id="more requested than allowed",
    ),
    case(
        container(resources={"requests": {"foo": 1}}),
        'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource for containers',
        id="an unknown resource",
    ),
    case(
        container(resources={"requests": {"cpu": -1}}),
        'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        id="less than nothing",
    ),
    case(
        container(resources={"requests": {"example.com/gpu": 1}}),
        "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
        id="an extended resource without limit",
    ),
    case(container(livenessProbe={}), "spec.containers[0].livenessProbe: Required value: must specify a handler type", id="no handler"),
    case(
        container(livenessProbe={"tcpSocket": {"port": 80}, "exec": {"command": ["a"]}}),
        "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        id="two handlers",
    ),
    case(
        container(livenessProbe={"tcpSocket": {"port": 80}, "successThreshold": 2}),
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        id="a liveness probe that must succeed twice",
    ),
    case(
        container(readinessProbe={"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": 2}),
        "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 2: must not be set for readinessProbes",
        id="a readiness probe with a grace period",
    ),
    case(
        container(lifecycle={"preStop": {"sleep": {"seconds": 31}}}),
        "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
        "terminationGracePeriodSeconds (30)",
        id="a hook that sleeps too long",
    ),
    case(
        container(securityContext={"privileged": True, "allowPrivilegeEscalation": False}),
        'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: '
        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        id="privileged without escalation",
    ),
    case(
        container(securityContext={"runAsUser": -1}),
        "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        id="a user below zero",
    ),
]

VOLUMES = [
    case(mount({"emptyDir": {}}), id="a mounted directory"),
    case(
        container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
        id="a mount of no volume",
    ),
    case(
        mount({"emptyDir": {}}, mountPath=""),
        "spec.containers[0].volumeMounts[0].mountPath: Required value",
        id="a mount nowhere",
    ),
    case(
        mount({"emptyDir": {}}, subPath="../up"),
        "spec.containers[0].volumeMounts.subPath: Invalid value: \"../up\": must not contain '..'",
        id="a path upward",
    ),
    case(
        mount({"emptyDir": {}}, mountPropagation="Bidirectional"),
        "spec.containers[0].volumeMounts.mountPropagation: Forbidden: "
        "Bidirectional mount propagation is available only to privileged containers",
        id="propagation without privilege",
    ),
    case(
        pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        id="two sources",
    ),
    case(
        pod(volumes=[{"name": "v"}, {"name": "v"}]),
        'spec.volumes[1].name: Duplicate value: "v"',
        id="one volume name twice",
    ),
    case(
        pod(volumes=[{"name": "v", "secret": {}}]),
        "spec.volumes[0].secret.secretName: Required value",
        id="a secret without a name",
    ),
    case(
        pod(volumes=[{"name": "v", "hostPath": {"path": "/a/../b", "type": "Pipe"}}]),
        "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
        'spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", '
        '"DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
        id="a host path upward, of no type",
    ),
    case(
        pod(volumes=[{"name": "v", "configMap": {"name": "c", "defaultMode": 0o1000, "items": [{"key": "k", "path": "/a"}]}}]),
        "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
        'spec.volumes[0].configMap.items[0].path: Invalid value: "/a": must be a relative path',
        id="a mode too large and an absolute path",
    ),
    case(
        pod(volumes=[{"name": "v", "downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}}]}}]),
        'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: '
        '"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
        id="a downward file of a field that files cannot show",
    ),
    case(
        pod(
            serviceAccountName="s",
            volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 60}}]}}],
        ),
        "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: "
        "may not specify a duration less than 10 minutes",
        id="a token too short",
    ),
    case(
        pod(volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}}] * 2}}]),
        'spec.volumes[0].projected: Invalid value: "s": conflicting duplicate paths',
        id="one path twice",
    ),
    case(
        pod(
            serviceAccountName="s",
            volumes=[
                {
                    "name": "v",
                    "projected": {
                        "sources": [
                            {"secret": {"name": "s", "items": [{"key": "k", "path": "token"}]}},
                            {"serviceAccountToken": {"path": "token"}},
                        ]
                    },
                }
            ],
        ),
        id="the path of a token is another's, too",
    ),
    case(
        pod(volumes=[{"name": "v", "configMap": {"name": "c"}, "emptyDir": {}}]),
        "spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type",
        id="two sources, the later in upstream's order",
    ),
    case(
        pod(
            volumes=[
                {"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "x"}, "spec": CLAIM}}},
                {"name": "w", "persistentVolumeClaim": {"claimName": "p-v"}},
            ]
        ),
        "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
        'spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "p-v": '
        "must not reference a PVC that gets created for an ephemeral volume",
        id="a claim that is to be made, and is named",
    ),
    case(
        pod(volumes=[{"name": "v", "csi": {"driver": "d" * 64, "nodePublishSecretRef": {"name": "S"}}}]),
        "spec.volumes[0].csi.driver: Too long: may not be more than 63 bytes",
        f'spec.volumes[0].csi.name: Invalid value: "S": {SUBDOMAIN}',
        id="a driver of a long name, and a secret of a wrong one",
    ),
    case(
        pod(
            volumes=[
                {"name": "a", "nfs": {"server": "s"}},
                {"name": "b", "fc": {"targetWWNs": ["w"]}},
                {"name": "c", "gcePersistentDisk": {"pdName": "d", "partition": 256}},
                {"name": "d", "iscsi": {"targetPortal": "p", "iqn": "qn", "lun": 256, "chapAuthSession": True}},
                {"name": "e", "flexVolume": {"driver": "d", "options": {"kubernetes.io/x": "y"}}},
                {"name": "f", "azureDisk": {"diskName": "d", "diskURI": "x", "kind": "Managed", "cachingMode": "Some"}},
                {"name": "g", "flocker": {}},
                {"name": "h", "quobyte": {"registry": "r", "volume": "v"}},
                {"name": "i", "cinder": {"volumeID": "v", "secretRef": {}}},
            ]
        ),
        "spec.volumes[0].nfs.path: Required value",
        'spec.volumes[0].nfs.path: Invalid value: "": must be an absolute path',
        "spec.volumes[1].fc.lun: Required value: lun is required if targetWWNs is specified",
        "spec.volumes[2].persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive",
        'spec.volumes[3].iscsi.iqn: Invalid value: "qn": must be valid format starting with iqn, eui, or naa',
        "spec.volumes[3].iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
        "spec.volumes[3].iscsi.secretRef: Required value",
        'spec.volumes[4].flexVolume.options[kubernetes.io/x]: Invalid value: "kubernetes.io/x": '
        "kubernetes.io and k8s.io namespaces are reserved",
        'spec.volumes[5].azureDisk.cachingMode: Unsupported value: "Some": supported values: "None", "ReadOnly", "ReadWrite"',
        'spec.volumes[5].azureDisk.diskURI: Unsupported value: "x": supported values: '
        '"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"',
        "spec.volumes[6].flocker: Required value: one of datasetName and datasetUUID is required",
        'spec.volumes[7].quobyte.registry: Invalid value: "r": must be a host:port pair or multiple pairs separated by commas',
        "spec.volumes[8].cinder.secretRef.name: Required value",
        id="volumes that lie elsewhere",
    ),
]

SPEC = [
    case(
        pod(restartPolicy="Sometimes"),
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        id="an unknown restart policy",
    ),
    case(
        pod(dnsPolicy="None"),
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        id="no name servers at all",
    ),
    case(
        pod(dnsConfig={"nameservers": ["1.2.3.4", "a"]}),
        'spec.dnsConfig.nameservers[1]: Invalid value: "a": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        id="a name server without an address",
    ),
    case(pod(dnsConfig={"searches": ["a_b.local.", "."]}), id="search domains may have underscores"),
    case(
        pod(tolerations=[{"operator": "Equal", "value": "x"}]),
        'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means '
        '"match all values and all keys"',
        id="a toleration of every key with a value",
    ),
    case(
        pod(tolerations=[{"key": "a", "operator": "Exists", "tolerationSeconds": 5}]),
        "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
        id="a toleration for a time of what does not evict",
    ),
    case(
        pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "Never"}]),
        "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": supported values: '
        '"DoNotSchedule", "ScheduleAnyway"',
        id="a spread that cannot be",
    ),
    case(
        pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}),
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: "
        "must have at least one node selector term",
        id="node affinity without terms",
    ),
    case(
        pod(affinity={"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 0, "podAffinityTerm": {}}]}}),
        "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: "
        "must be in the range 1-100",
        "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Required value: "
        "can not be empty",
        "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: "
        '"": name part must be non-empty',
        "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: "
        "\"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
        "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        id="pod affinity without weight and topology",
    ),
    case(
        pod(nodeName="n", schedulingGates=[{"name": "a.b/c"}]),
        "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
        id="a gated pod that is bound",
    ),
    case(
        pod(activeDeadlineSeconds=0),
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        id="no time at all",
    ),
    case(pod(hostname="A"), f'spec.hostname: Invalid value: "A": {LABEL}', id="a host name in capitals"),
    case(
        pod(hostUsers=False, hostPID=True),
        "spec.HostPID: Forbidden: when `hostUsers` is false",
        id="the host's processes with other users",
    ),
    case(
        pod(hostPID=True, shareProcessNamespace=True),
        "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
        id="two kinds of sharing processes",
    ),
    case(
        pod(securityContext={"seccompProfile": {"type": "Localhost"}}),
        "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
        id="a local profile without a name",
    ),
    case(
        pod(hostAliases=[{"ip": "x", "hostnames": ["ok"]}]),
        'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        id="an alias of no address",
    ),
    case(
        pod(resources={"requests": {"cpu": 1}}, containers=[{"name": "a", "image": "b", "resources": {"requests": {"cpu": 2}}}]),
        'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2',
        id="a pod that asks for less than its containers",
    ),
]


@pytest.mark.parametrize(("document", "expected"), [*CONTAINERS, *FIELDS, *VOLUMES, *SPEC])
def test_everything_wrong_is_reported_in_upstreams_words(document: dict[str, Any], expected: list[str]) -> None:
    assert wrong_with(document) == expected


@pytest.mark.parametrize(
    ("cost", "right"),
    [
        pytest.param("-10", True, id="negative"),
        pytest.param("0", True, id="zero"),
        pytest.param("+1", False, id="a plus"),
        pytest.param("01", False, id="a leading zero"),
        pytest.param("3000000000", False, id="too large"),
    ],
)
def test_the_cost_of_deletion_is_a_number(cost: str, right: bool) -> None:
    key = "controller.kubernetes.io/pod-deletion-cost"
    document = pod()
    document["metadata"]["annotations"] = {key: cost}
    assert wrong_with(document) == ([] if right else [f'metadata.annotations[{key}]: Invalid value: "{cost}": must be a 32bit integer'])


def test_a_pod_with_every_field_of_the_introductory_documents_is_right() -> None:
    document = pod(
        restartPolicy="OnFailure",
        hostNetwork=True,
        nodeSelector={"disk": "ssd"},
        imagePullSecrets=[{"name": "registry"}],
        securityContext={"runAsUser": 1000, "fsGroup": 2000},
        containers=[
            {
                "name": "main",
                "image": "pilothouse.local/busybox:1",
                "command": ["sh", "-c"],
                "args": ["sleep 1"],
                "workingDir": "/tmp",
                "ports": [{"name": "web", "containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
                "env": [{"name": "A", "value": "b"}, {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
                "livenessProbe": {"exec": {"command": ["cat", "/tmp/healthy"]}, "initialDelaySeconds": 5, "periodSeconds": 5},
                "readinessProbe": {"tcpSocket": {"port": 8080}},
                "startupProbe": {"httpGet": {"path": "/healthz", "port": "web", "httpHeaders": [{"name": "X-H", "value": "a"}]}},
                "securityContext": {"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True},
                "volumeMounts": [
                    {"name": "empty", "mountPath": "/empty"},
                    {"name": "host", "mountPath": "/host", "readOnly": True},
                    {"name": "config", "mountPath": "/config"},
                    {"name": "secret", "mountPath": "/secret", "subPath": "key"},
                ],
            }
        ],
        volumes=[
            {"name": "empty", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "host", "hostPath": {"path": "/data", "type": "DirectoryOrCreate"}},
            {"name": "config", "configMap": {"name": "c", "items": [{"key": "k", "path": "p/q"}]}},
            {"name": "secret", "secret": {"secretName": "s", "optional": True}},
        ],
    )
    assert wrong_with(document) == []
