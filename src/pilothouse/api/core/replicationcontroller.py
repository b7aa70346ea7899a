"""ReplicationController: the forerunner of ReplicaSet."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.apps.workload import validate_replica_counts
from pilothouse.api.core.columns import labels_text, template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.validation.declared import in_bytes
from pilothouse.api.core.validation.fields import nonnegative, report
from pilothouse.api.core.validation.podspec import validate_pod_template
from pilothouse.api.core.warnings.names import of_name
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.types.core_v1 import ReplicationController
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Scale
from pilothouse.machinery.strategy import Strategy

REPLICATIONCONTROLLER = Resource(
    ReplicationController,
    plural="replicationcontrollers",
    short_names=("rc",),
    categories=("all",),
    subresources=(STATUS, Scale()),
    columns=(
        Column("Desired", lambda controller: controller.spec.replicas or 0, type="integer"),
        Column("Current", lambda controller: controller.status.replicas, type="integer"),
        Column("Ready", lambda controller: controller.status.readyReplicas, type="integer"),
        AGE,
        *template_columns(lambda controller: controller.spec.template),
        Column("Selector", lambda controller: labels_text(controller.spec.selector), priority=1),
    ),
    selectable_fields={"status.replicas": lambda controller: str(controller.status.replicas)},
    name_rule=lambda name: [],  # declared, and so after the rest: see validate
    strategy=Strategy(default_deletion="Orphan", storage_prefix="controllers"),
)


@REPLICATIONCONTROLLER.default
def default(controller: ReplicationController) -> None:
    """Selector and labels follow the template's labels: what ReplicaSet gave up."""
    if controller.spec.replicas is None:
        controller.spec.replicas = 1
    if controller.spec.template is None:
        return
    labels = controller.spec.template.metadata.labels
    controller.spec.selector = controller.spec.selector or dict(labels)
    controller.metadata.labels = controller.metadata.labels or dict(labels)
    default_pod_spec(controller.spec.template.spec)


@REPLICATIONCONTROLLER.validate
def validate(controller: ReplicationController, problems: Problems) -> None:
    """Validate a ReplicationController: upstream's handwritten rules, then the declarative ones."""
    _validate_spec(controller, problems.at("spec"))
    if controller.metadata.name:
        report(in_bytes(names.dns_subdomain(controller.metadata.name)), controller.metadata.name, problems, "metadata", "name")


def _validate_spec(controller: ReplicationController, here: Problems) -> None:
    spec = controller.spec
    nonnegative(spec.minReadySeconds, here, "minReadySeconds")
    if not spec.selector:
        here.at("selector").required()
    nonnegative(spec.replicas, here, "replicas")
    template, here = spec.template, here.at("template")
    if template is None:
        here.required()
        return
    if not spec.selector.items() <= template.metadata.labels.items():
        here.at("metadata", "labels").invalid(template.metadata.labels or None, "`selector` does not match template `labels`")
    validate_pod_template(template, here)
    if template.spec.restartPolicy != "Always":
        here.at("spec", "restartPolicy").not_supported(template.spec.restartPolicy, ("Always",))
    if template.spec.activeDeadlineSeconds is not None:
        message = "activeDeadlineSeconds in ReplicationController is not Supported"
        here.at("spec", "activeDeadlineSeconds").forbidden(message)


@REPLICATIONCONTROLLER.validate_status
def validate_status(old: ReplicationController, new: ReplicationController, problems: Problems) -> None:
    """Counts are not negative and within `replicas`. Upstream: ValidateReplicationControllerStatusUpdate."""
    validate_replica_counts(new.status, problems.at("status"))


@REPLICATIONCONTROLLER.warn
def warn(new: ReplicationController, old: ReplicationController | None) -> Iterator[str]:
    """Warnings for the name on creation, and for the pod template on creation and when the spec changes."""
    if old is None:
        yield from of_name(new.metadata.name)
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_template(new.spec.template, "spec", "template")
