"""Event: what happened to an object; also served as events.k8s.io/v1 (events/event.py). This is the stored form."""

from __future__ import annotations

from typing import Any

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.core_v1 import Event
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Column, Resource, Since
from pilothouse.machinery.strategy import Strategy


def _first_seen(event: Event) -> Since:
    return Since(event.firstTimestamp or event.eventTime or "")


def _last_seen(event: Event) -> Since:
    if event.series:
        return Since(event.series.lastObservedTime or "")
    return Since(event.lastTimestamp) if event.lastTimestamp else _first_seen(event)


def _object(event: Event) -> str:
    kind = event.involvedObject.kind.lower()
    return f"{kind}/{event.involvedObject.name}" if event.involvedObject.name else kind


def _source(event: Event) -> str:
    component = event.source.component or event.reportingComponent
    host = event.source.host or event.reportingInstance
    return f"{component}, {host}" if host else component


def _count(event: Event) -> int:
    return (event.series.count or 0) if event.series else event.count or 1


EVENT = Resource(
    Event,
    plural="events",
    short_names=("ev",),
    columns=(
        Column("Last Seen", _last_seen),
        Column("Type", lambda event: event.type),
        Column("Reason", lambda event: event.reason),
        Column("Object", _object),
        Column("Subobject", lambda event: event.involvedObject.fieldPath, priority=1),
        Column("Source", _source, priority=1),
        Column("Message", lambda event: event.message.strip()),
        Column("First Seen", _first_seen, priority=1),
        Column("Count", _count, priority=1),
        Column("Name", lambda event: event.metadata.name, format="name", priority=1),
    ),
    selectable_fields={
        "involvedObject.kind": lambda event: event.involvedObject.kind,
        "involvedObject.namespace": lambda event: event.involvedObject.namespace,
        "involvedObject.name": lambda event: event.involvedObject.name,
        "involvedObject.uid": lambda event: event.involvedObject.uid,
        "involvedObject.apiVersion": lambda event: event.involvedObject.apiVersion,
        "involvedObject.resourceVersion": lambda event: event.involvedObject.resourceVersion,
        "involvedObject.fieldPath": lambda event: event.involvedObject.fieldPath,
        "reason": lambda event: event.reason,
        "reportingComponent": lambda event: event.source.component or event.reportingComponent,
        "source": lambda event: event.source.component or event.reportingComponent,
        "type": lambda event: event.type,
    },
    name_rule=names.path_segment,
    strategy=Strategy(any_finalizer=True, allow_create_on_update=True, generation=None, default_deletion="", lists_cached=False),
)


@EVENT.validate
def validate(event: Event, problems: Problems) -> None:
    """The event lies where its object lies; one of a cluster-wide object in `default`, or (only with an eventTime) in `kube-system`.

    With an eventTime it may lie elsewhere than its object, as upstream has it.
    """
    namespace, here = event.involvedObject.namespace, event.metadata.namespace
    fitting = ("default", "kube-system") if event.eventTime else ("default",)
    if (not namespace and here not in fitting) or (namespace and namespace != here and not event.eventTime):
        problems.at("involvedObject", "namespace").invalid(namespace, "does not match event.namespace")
    report(names.dns_label(event.metadata.namespace), event.metadata.namespace, problems, "namespace")
    if event.eventTime:
        _validate_new_style(event, problems, "reportingComponent")


def _validate_new_style(event: Event, problems: Problems, field: str) -> None:
    """What events.k8s.io asks of an event that has an eventTime."""
    if not event.reportingComponent:
        problems.at(field).required()
    report(names.qualified_name(event.reportingComponent), event.reportingComponent, problems, field)
    limits: tuple[tuple[str, str, Any], ...] = (
        ("reportingInstance", event.reportingInstance, 128),
        ("action", event.action, 128),
        ("reason", event.reason, 128),
    )
    for field, value, limit in limits:
        if not value:
            problems.at(field).required()
        if len(value) > limit:
            problems.at(field).invalid("", f"can have at most {limit} characters")
    if len(event.message) > 1024:
        problems.at("message").invalid("", "can have at most 1024 characters")
