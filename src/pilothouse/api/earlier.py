"""Kinds in versions that upstream serves no more but still reads: a body of one is told which version is expected."""

from __future__ import annotations

from collections.abc import Mapping

RBAC = frozenset((
    *("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("RoleList", "RoleBindingList", "ClusterRoleList", "ClusterRoleBindingList"),
))  # fmt: skip
FLOWS = frozenset(("FlowSchema", "FlowSchemaList", "PriorityLevelConfiguration", "PriorityLevelConfigurationList"))
WORKLOADS = ("Deployment", "DeploymentList", "StatefulSet", "StatefulSetList", "ControllerRevision", "ControllerRevisionList", "Scale")
SETS = ("DaemonSet", "DaemonSetList", "ReplicaSet", "ReplicaSetList")
EARLIER: Mapping[tuple[str, str], frozenset[str]] = {
    ("apps", "v1beta1"): frozenset(WORKLOADS),
    ("apps", "v1beta2"): frozenset((*WORKLOADS, *SETS)),
    ("extensions", "v1beta1"): frozenset((
        *("Deployment", "DeploymentList", *SETS, "Scale"),
        *("Ingress", "IngressList", "NetworkPolicy", "NetworkPolicyList"),
    )),
    ("batch", "v1beta1"): frozenset(("CronJob", "CronJobList")),
    ("policy", "v1beta1"): frozenset(("PodDisruptionBudget", "PodDisruptionBudgetList", "Eviction")),
    ("networking.k8s.io", "v1beta1"): frozenset((
        *("Ingress", "IngressList", "IngressClass", "IngressClassList"),
        *("IPAddress", "IPAddressList", "ServiceCIDR", "ServiceCIDRList"),
    )),
    ("rbac.authorization.k8s.io", "v1alpha1"): RBAC,
    ("rbac.authorization.k8s.io", "v1beta1"): RBAC,
    ("storage.k8s.io", "v1beta1"): frozenset((
        *("StorageClass", "StorageClassList", "VolumeAttachment", "VolumeAttachmentList", "CSIDriver", "CSIDriverList"),
        *("CSINode", "CSINodeList", "CSIStorageCapacity", "CSIStorageCapacityList"),
    )),
    ("scheduling.k8s.io", "v1beta1"): frozenset(("PriorityClass", "PriorityClassList")),
    ("coordination.k8s.io", "v1beta1"): frozenset(("Lease", "LeaseList")),
    ("discovery.k8s.io", "v1beta1"): frozenset(("EndpointSlice", "EndpointSliceList")),
    ("events.k8s.io", "v1beta1"): frozenset(("Event", "EventList")),
    ("flowcontrol.apiserver.k8s.io", "v1beta1"): FLOWS,
    ("flowcontrol.apiserver.k8s.io", "v1beta2"): FLOWS,
    ("flowcontrol.apiserver.k8s.io", "v1beta3"): FLOWS,
    ("certificates.k8s.io", "v1beta1"): frozenset(("CertificateSigningRequest", "CertificateSigningRequestList")),
    ("node.k8s.io", "v1beta1"): frozenset(("RuntimeClass", "RuntimeClassList")),
    ("admissionregistration.k8s.io", "v1beta1"): frozenset((
        *("ValidatingWebhookConfiguration", "ValidatingWebhookConfigurationList"),
        *("MutatingWebhookConfiguration", "MutatingWebhookConfigurationList"),
    )),
    ("authentication.k8s.io", "v1beta1"): frozenset(("TokenReview",)),
    ("authorization.k8s.io", "v1beta1"): frozenset(
        ("SubjectAccessReview", "SelfSubjectAccessReview", "LocalSubjectAccessReview", "SelfSubjectRulesReview")
    ),
}  # fmt: skip
