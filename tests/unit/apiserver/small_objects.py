"""One small valid object of each kind that takes some rules to be valid: what fuzz tests spoil."""

from __future__ import annotations

from typing import Any

CONTAINERS = {
    "containers": [
        {
            "name": "main",
            "image": "image:1",
            "ports": [{"containerPort": 80, "name": "http"}],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": 1}},
            "livenessProbe": {"httpGet": {"path": "/", "port": "http"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}},
        }
    ],
    "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}],
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]},
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
            }
        },
    },
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
}
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": CONTAINERS}
JOB_TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {**CONTAINERS, "restartPolicy": "Never"}}
SELECTOR = {"matchLabels": {"app": "a"}}
WEBHOOK = {
    "name": "a.b.c",
    "clientConfig": {"url": "https://localhost:1/x"},
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
}
CLASS_OF_PRIORITY = {"type": "Limited", "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}}

SMALL: dict[tuple[str, str], dict[str, Any]] = {
    ("v1", "ConfigMap"): {"data": {"a": "b"}, "binaryData": {"c": "e30="}},
    ("v1", "Endpoints"): {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
    ("v1", "Event"): {"involvedObject": {"namespace": "default", "kind": "Pod", "name": "a"}, "reason": "x", "type": "Normal"},
    ("v1", "LimitRange"): {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}},
    ("v1", "Namespace"): {},
    ("v1", "Node"): {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}, "status": {"capacity": {"cpu": "4"}}},
    ("v1", "PersistentVolume"): {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}},
    ("v1", "PersistentVolumeClaim"): {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    ("v1", "Pod"): {"spec": CONTAINERS},
    ("v1", "PodTemplate"): {"template": TEMPLATE},
    ("v1", "ReplicationController"): {"spec": {"replicas": 1, "selector": {"app": "a"}, "template": TEMPLATE}},
    ("v1", "ResourceQuota"): {"spec": {"hard": {"pods": "10"}}},
    ("v1", "Secret"): {"data": {"a": "e30="}, "stringData": {"b": "c"}},
    ("v1", "Service"): {"spec": {"selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": "http"}], "type": "NodePort"}},
    ("v1", "ServiceAccount"): {"imagePullSecrets": [{"name": "a"}]},
    ("apps/v1", "DaemonSet"): {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    ("apps/v1", "Deployment"): {"spec": {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE}},
    ("apps/v1", "ReplicaSet"): {"spec": {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE}},
    ("apps/v1", "StatefulSet"): {"spec": {"serviceName": "a", "selector": SELECTOR, "template": TEMPLATE}},
    ("apps/v1", "ControllerRevision"): {"data": {"a": 1}, "revision": 1},
    ("batch/v1", "Job"): {"spec": {"template": JOB_TEMPLATE, "completions": 2, "parallelism": 1}},
    ("batch/v1", "CronJob"): {"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": JOB_TEMPLATE}}}},
    ("autoscaling/v1", "HorizontalPodAutoscaler"): {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "a"}, "maxReplicas": 3}},
    ("autoscaling/v2", "HorizontalPodAutoscaler"): {
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "a"},
            "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
        }
    },
    ("networking.k8s.io/v1", "Ingress"): {
        "spec": {
            "rules": [
                {
                    "host": "a.b",
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 80}}}}]},
                }
            ]
        }
    },
    ("networking.k8s.io/v1", "IngressClass"): {"spec": {"controller": "a.b/c"}},
    ("networking.k8s.io/v1", "NetworkPolicy"): {"spec": {"podSelector": SELECTOR, "ingress": [{"from": [{"podSelector": {}}]}]}},
    ("networking.k8s.io/v1", "ServiceCIDR"): {"spec": {"cidrs": ["10.7.0.0/16"]}},
    ("discovery.k8s.io/v1", "EndpointSlice"): {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": 80}],
    },
    ("policy/v1", "PodDisruptionBudget"): {"spec": {"selector": SELECTOR, "minAvailable": "50%"}},
    ("rbac.authorization.k8s.io/v1", "Role"): {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"},
        "subjects": [{"kind": "User", "name": "a"}],
    },
    ("scheduling.k8s.io/v1", "PriorityClass"): {"value": 10},
    ("storage.k8s.io/v1", "StorageClass"): {"provisioner": "a/b", "parameters": {"a": "b"}},
    ("storage.k8s.io/v1", "VolumeAttachment"): {"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "p"}}},
    ("coordination.k8s.io/v1", "Lease"): {
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 1, "renewTime": "2020-01-01T00:00:00.000000Z"}
    },
    ("node.k8s.io/v1", "RuntimeClass"): {"handler": "runc", "overhead": {"podFixed": {"cpu": "1m"}}},
    ("certificates.k8s.io/v1", "CertificateSigningRequest"): {
        "spec": {"request": "e30=", "signerName": "a.b/c", "usages": ["client auth"]}
    },
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration"): {"spec": CLASS_OF_PRIORITY},
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): {"spec": {"priorityLevelConfiguration": {"name": "a"}, "matchingPrecedence": 5}},
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): {"webhooks": [WEBHOOK]},
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"): {
        "spec": {"validations": [{"expression": "true"}], "matchConstraints": {"resourceRules": WEBHOOK["rules"]}}
    },
    ("resource.k8s.io/v1", "ResourceClaim"): {"spec": {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "gpu"}}]}}},
    ("apiregistration.k8s.io/v1", "APIService"): {
        "spec": {
            "group": "a.b",
            "version": "v1",
            "groupPriorityMinimum": 1,
            "versionPriority": 1,
            "service": {"name": "a", "namespace": "b"},
        }
    },
}
