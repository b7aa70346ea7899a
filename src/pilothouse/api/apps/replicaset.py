"""ReplicaSet: as many Pods of one template as asked for.

Here: its names, defaults, rules and columns. What is done about it: controllers/builtin/replicaset.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.apps.workload import no_replicas, validate_replica_counts, validate_replicated
from pilothouse.api.core.columns import selector_column, template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.validation.fields import immutable, nonnegative
from pilothouse.api.core.warnings.names import of_name
from pilothouse.api.core.warnings.podspec import of_template
from pilothouse.api.types.apps_v1 import ReplicaSet
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Scale

REPLICASET = Resource(
    ReplicaSet,
    plural="replicasets",
    short_names=("rs",),
    categories=("all",),
    subresources=(STATUS, Scale()),
    columns=(
        Column("Desired", lambda replicaset: replicaset.spec.replicas or 0, type="integer"),
        Column("Current", lambda replicaset: replicaset.status.replicas, type="integer"),
        Column("Ready", lambda replicaset: replicaset.status.readyReplicas, type="integer"),
        AGE,
        *template_columns(lambda replicaset: replicaset.spec.template),
        selector_column(lambda replicaset: replicaset.spec.selector),
    ),
)
REPLICASET.empty = no_replicas


@REPLICASET.default
def default(replica_set: ReplicaSet) -> None:
    """Default replicas 1 and the Pod template. Upstream: SetDefaults_ReplicaSet."""
    if replica_set.spec.replicas is None:
        replica_set.spec.replicas = 1
    default_pod_spec(replica_set.spec.template.spec)


@REPLICASET.validate
def validate(replica_set: ReplicaSet, problems: Problems) -> None:
    """Rules of the spec: replicas, selector, template. Upstream: ValidateReplicaSet."""
    spec, here = replica_set.spec, problems.at("spec")
    nonnegative(spec.replicas, here, "replicas")
    nonnegative(spec.minReadySeconds, here, "minReadySeconds")
    validate_replicated(spec.template, spec.selector, here)


@REPLICASET.validate_update
def validate_update(old: ReplicaSet, new: ReplicaSet, problems: Problems) -> None:
    """The selector never changes. Upstream: ValidateReplicaSetUpdate."""
    immutable(new.spec.selector, old.spec.selector, problems, "spec", "selector")


@REPLICASET.validate_status
def validate_status(old: ReplicaSet, new: ReplicaSet, problems: Problems) -> None:
    """Counts are not negative and within `replicas`. Upstream: ValidateReplicaSetStatusUpdate."""
    validate_replica_counts(new.status, problems.at("status"))


@REPLICASET.warn
def warn(new: ReplicaSet, old: ReplicaSet | None) -> Iterator[str]:
    """Warnings for the name on creation, and for the pod template on creation and when the spec changes."""
    if old is None:
        yield from of_name(new.metadata.name)
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_template(new.spec.template, "spec", "template")
