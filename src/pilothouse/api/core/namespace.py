"""Namespace: the scope of names, deleted with all that it holds.

It lives until `spec.finalizers` is empty: controllers/builtin/namespace.py empties it when the content is gone.
"""

from __future__ import annotations

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.core_v1 import Namespace
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Subresource
from pilothouse.machinery.strategy import Strategy

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"
STANDARD_FINALIZERS = (FINALIZER, "orphan", "foregroundDeletion")

NAMESPACE = Resource(
    Namespace,
    plural="namespaces",
    short_names=("ns",),
    namespaced=False,
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources=(STATUS, Subresource("finalize", ("update",))),
    columns=(Column("Status", lambda namespace: namespace.status.phase, description="The status of the namespace"), AGE),
    selectable_fields={"status.phase": lambda namespace: namespace.status.phase},
    name_rule=names.dns_label,
    reset_fields={"finalize": ("status",)},
    strategy=Strategy(validates_generate_name=True, generation=None, has_unsafe_deleter=False),
)


@NAMESPACE.default
def default(namespace: Namespace) -> None:
    """The label `kubernetes.io/metadata.name`, and phase Active. Upstream: SetDefaults_Namespace."""
    if namespace.metadata.name:
        namespace.metadata.labels[NAME_LABEL] = namespace.metadata.name
    namespace.status.phase = namespace.status.phase or "Active"


@NAMESPACE.prepare_create
def prepare_create(namespace: Namespace) -> None:
    """The name may have been generated after defaulting: the label follows it."""
    namespace.metadata.labels[NAME_LABEL] = namespace.metadata.name
    namespace.status.phase = "Active"
    if FINALIZER not in namespace.spec.finalizers:
        namespace.spec.finalizers = [*namespace.spec.finalizers, FINALIZER]


@NAMESPACE.prepare_update
def prepare_update(old: Namespace, new: Namespace) -> None:
    """Finalizers change through the subresource `finalize` alone."""
    new.spec.finalizers = old.spec.finalizers


@NAMESPACE.validate
def validate(namespace: Namespace, problems: Problems) -> None:
    """Finalizers of the spec are qualified names. Upstream: ValidateNamespace, and ValidateNamespaceFinalizeUpdate, which says which."""
    for index, finalizer in enumerate(namespace.spec.finalizers):
        here = problems.at("spec", "finalizers", *([index] if namespace.metadata.resourceVersion else []))
        messages = names.qualified_name(finalizer)
        report(messages, finalizer, here)
        if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            here.invalid(finalizer, "name is neither a standard finalizer name nor is it fully qualified")


@NAMESPACE.validate_status
def validate_status(old: Namespace, new: Namespace, problems: Problems) -> None:
    """The phase agrees with deletionTimestamp. Upstream: ValidateNamespaceStatusUpdate."""
    phase = problems.at("status", "Phase")
    if not new.metadata.deletionTimestamp and new.status.phase != "Active":
        phase.invalid(new.status.phase, "may only be 'Active' if `deletionTimestamp` is empty")
    if new.metadata.deletionTimestamp and new.status.phase != "Terminating":
        phase.invalid(new.status.phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")
