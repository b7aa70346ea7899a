"""RuntimeClass: a container runtime that Pods may choose."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.core.defaults.quantities import exact
from pilothouse.api.core.validation.declared import in_bytes
from pilothouse.api.core.validation.fields import report
from pilothouse.api.core.validation.resources import validate_requirements
from pilothouse.api.core.validation.tolerations import validate_tolerations
from pilothouse.api.core.warnings.names import OLD_NODE_LABELS
from pilothouse.api.internal import internal
from pilothouse.api.types.core_v1 import ResourceRequirements
from pilothouse.api.types.node_v1 import RuntimeClass
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE, validate_labels
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

RUNTIMECLASS = Resource(
    RuntimeClass,
    plural="runtimeclasses",
    namespaced=False,
    columns=(Column("Handler", lambda runtime_class: runtime_class.handler), AGE),
    strategy=Strategy(
        validates_generate_name=True, any_finalizer=True, allow_create_on_update=True, allow_unconditional_update=False, generation=None
    ),
)


@RUNTIMECLASS.default
def default(runtime_class: RuntimeClass) -> None:
    """Write the overhead in canonical form."""
    if runtime_class.overhead:
        for name, amount in runtime_class.overhead.podFixed.items():
            runtime_class.overhead.podFixed[name] = exact(amount)


@RUNTIMECLASS.validate
def validate(runtime_class: RuntimeClass, problems: Problems) -> None:
    """Handler, overhead, node selector and tolerations. Upstream: ValidateRuntimeClass."""
    if not runtime_class.handler:
        problems.at("handler").required()
    else:
        rule = names.dns_label if runtime_class.metadata.resourceVersion else lambda handler: in_bytes(names.dns_label(handler))
        report(rule(runtime_class.handler), runtime_class.handler, problems, "handler")
    if runtime_class.overhead:
        validate_requirements(ResourceRequirements(limits=runtime_class.overhead.podFixed), frozenset(), problems.at("overhead"))
    if runtime_class.scheduling:
        validate_labels(runtime_class.scheduling.nodeSelector, problems.at("scheduling", "nodeSelector"))
        here = problems.at("scheduling", "tolerations")
        validate_tolerations(runtime_class.scheduling.tolerations, here)
        for index, toleration in enumerate(runtime_class.scheduling.tolerations):
            if toleration in runtime_class.scheduling.tolerations[:index]:
                here.at(index).duplicate(internal(toleration, "core.Toleration"))


@RUNTIMECLASS.validate_update
def validate_update(old: RuntimeClass, new: RuntimeClass, problems: Problems) -> None:
    """The handler never changes. Upstream: ValidateRuntimeClassUpdate."""
    if new.handler != old.handler:
        problems.at("handler").invalid(None, IMMUTABLE)


@RUNTIMECLASS.warn
def warn(new: RuntimeClass, old: RuntimeClass | None) -> Iterator[str]:
    """Warnings for deprecated node labels."""
    for key in new.scheduling.nodeSelector if new.scheduling else ():
        if key in OLD_NODE_LABELS:
            yield f"scheduling.nodeSelector: {OLD_NODE_LABELS[key]}"
