"""The admission plugins in the order in which they are asked: upstream's order, as far as they exist here."""

from __future__ import annotations

from pilothouse.apiserver.admission.plugin import Plugin
from pilothouse.apiserver.admission.plugins.certificateapproval import CertificateApproval
from pilothouse.apiserver.admission.plugins.certificaterequester import CertificateRequester
from pilothouse.apiserver.admission.plugins.certificatesigning import CertificateSigning
from pilothouse.apiserver.admission.plugins.certificatesubjectrestriction import CertificateSubjectRestriction
from pilothouse.apiserver.admission.plugins.defaultingressclass import DefaultIngressClass
from pilothouse.apiserver.admission.plugins.defaultstorageclass import DefaultStorageClass
from pilothouse.apiserver.admission.plugins.defaulttolerationseconds import DefaultTolerationSeconds
from pilothouse.apiserver.admission.plugins.limitranger import LimitRanger
from pilothouse.apiserver.admission.plugins.mutatingadmissionpolicy import MutatingAdmissionPolicyPlugin
from pilothouse.apiserver.admission.plugins.mutatingadmissionwebhook import MutatingAdmissionWebhook
from pilothouse.apiserver.admission.plugins.namespacelifecycle import NamespaceLifecycle
from pilothouse.apiserver.admission.plugins.noderestriction import NodeRestriction
from pilothouse.apiserver.admission.plugins.paramaccess import ParamAccess
from pilothouse.apiserver.admission.plugins.persistentvolumeclaimresize import PersistentVolumeClaimResize
from pilothouse.apiserver.admission.plugins.podsecurity import PodSecurity
from pilothouse.apiserver.admission.plugins.priority import Priority
from pilothouse.apiserver.admission.plugins.resourcequota import ResourceQuotaAdmission
from pilothouse.apiserver.admission.plugins.runtimeclass import RuntimeClassAdmission
from pilothouse.apiserver.admission.plugins.serviceaccount import ServiceAccountAdmission
from pilothouse.apiserver.admission.plugins.storageobjectinuseprotection import StorageObjectInUseProtection
from pilothouse.apiserver.admission.plugins.taintnodesbycondition import TaintNodesByCondition
from pilothouse.apiserver.admission.plugins.validatingadmissionpolicy import ValidatingAdmissionPolicyPlugin
from pilothouse.apiserver.admission.plugins.validatingadmissionwebhook import ValidatingAdmissionWebhook

ORDER: tuple[type[Plugin], ...] = (
    NamespaceLifecycle,
    ParamAccess,
    LimitRanger,
    ServiceAccountAdmission,
    NodeRestriction,
    TaintNodesByCondition,
    PodSecurity,
    Priority,
    DefaultTolerationSeconds,
    DefaultStorageClass,
    StorageObjectInUseProtection,
    PersistentVolumeClaimResize,
    RuntimeClassAdmission,
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
    DefaultIngressClass,
    MutatingAdmissionPolicyPlugin,
    MutatingAdmissionWebhook,
    CertificateRequester,
    ValidatingAdmissionPolicyPlugin,
    ValidatingAdmissionWebhook,
    ResourceQuotaAdmission,
)
