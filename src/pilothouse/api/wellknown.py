"""Labels, annotations and taints that several components and clients agree on, each by its name in Kubernetes.

A key that only one room reads stays in that room; one that two rooms read stands here, once. Values that end in "/" are prefixes: a name
follows. Source: upstream's reference of well-known labels, annotations and taints.
"""

from __future__ import annotations

from typing import Final

APPARMOR_CONTAINER_PREFIX: Final = "container.apparmor.security.beta.kubernetes.io/"
BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
CONFIG_MIRROR: Final = "kubernetes.io/config.mirror"
CONFIG_SEEN: Final = "kubernetes.io/config.seen"
CONFIG_SOURCE: Final = "kubernetes.io/config.source"
DEFAULT_INGRESS_CLASS: Final = "ingressclass.kubernetes.io/is-default-class"
DEFAULT_STORAGE_CLASS: Final = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
HEADLESS: Final = "service.kubernetes.io/headless"
HOSTNAME: Final = "kubernetes.io/hostname"
INGRESS_CLASS: Final = "kubernetes.io/ingress.class"
KUBE_APISERVER_CLIENT: Final = "kubernetes.io/kube-apiserver-client"
KUBE_APISERVER_CLIENT_KUBELET: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"
LAST_CHANGE_TRIGGER_TIME: Final = "endpoints.kubernetes.io/last-change-trigger-time"
NODE_NOT_READY: Final = "node.kubernetes.io/not-ready"
NODE_UNREACHABLE: Final = "node.kubernetes.io/unreachable"
POD_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_CONTAINER_PREFIX: Final = "container.seccomp.security.alpha.kubernetes.io/"
SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
SERVICE_NAME: Final = "kubernetes.io/service-name"
STORAGE_CLASS_BETA: Final = "volume.beta.kubernetes.io/storage-class"
TOPOLOGY_ZONE: Final = "topology.kubernetes.io/zone"
