"""Event: what happened to an object; also served as events.k8s.io/v1 (events/event.py). This is the stored form."""

from __future__ import annotations

from typing import Any

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.core_v1 import Event
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Column, Resource, Since
from pilothouse.machinery.strategy import Strategy


def _first_seen(one: Event) -> Since:
    return Since(one.firstTimestamp or one.eventTime or "")


def _last_seen(one: Event) -> Since:
    if one.series:
        return Since(one.series.lastObservedTime or "")
    return Since(one.lastTimestamp) if one.lastTimestamp else _first_seen(one)


def _object(one: Event) -> str:
    kind = one.involvedObject.kind.lower()
    return f"{kind}/{one.involvedObject.name}" if one.involvedObject.name else kind


def _source(one: Event) -> str:
    component = one.source.component or one.reportingComponent
    host = one.source.host or one.reportingInstance
    return f"{component}, {host}" if host else component


def _count(one: Event) -> int:
    return (one.series.count or 0) if one.series else one.count or 1


EVENT = Resource(
    Event,
    plural="events",
    short_names=("ev",),
    columns=(
        Column("Last Seen", _last_seen),
        Column("Type", lambda one: one.type),
        Column("Reason", lambda one: one.reason),
        Column("Object", _object),
        Column("Subobject", lambda one: one.involvedObject.fieldPath, priority=1),
        Column("Source", _source, priority=1),
        Column("Message", lambda one: one.message.strip()),
        Column("First Seen", _first_seen, priority=1),
        Column("Count", _count, priority=1),
        Column("Name", lambda one: one.metadata.name, format="name", priority=1),
    ),
    selectable_fields={
        "involvedObject.kind": lambda one: one.involvedObject.kind,
        "involvedObject.namespace": lambda one: one.involvedObject.namespace,
        "involvedObject.name": lambda one: one.involvedObject.name,
        "involvedObject.uid": lambda one: one.involvedObject.uid,
        "involvedObject.apiVersion": lambda one: one.involvedObject.apiVersion,
        "involvedObject.resourceVersion": lambda one: one.involvedObject.resourceVersion,
        "involvedObject.fieldPath": lambda one: one.involvedObject.fieldPath,
        "reason": lambda one: one.reason,
        "reportingComponent": lambda one: one.source.component or one.reportingComponent,
        "source": lambda one: one.source.component or one.reportingComponent,
        "type": lambda one: one.type,
    },
    name_rule=names.path_segment,
    strategy=Strategy(any_finalizer=True, allow_create_on_update=True, generation=None, default_deletion=""),
)


@EVENT.validate
def validate(one: Event, problems: Problems) -> None:
    """The event lies where its object lies; one of a cluster-wide object in `default`, or (only with an eventTime) in `kube-system`.

    With an eventTime it may lie elsewhere than its object, as upstream has it.
    """
    namespace, here = one.involvedObject.namespace, one.metadata.namespace
    fitting = ("default", "kube-system") if one.eventTime else ("default",)
    if (not namespace and here not in fitting) or (namespace and namespace != here and not one.eventTime):
        problems.at("involvedObject", "namespace").invalid(namespace, "does not match event.namespace")
    report(names.dns_label(one.metadata.namespace), one.metadata.namespace, problems, "namespace")
    if one.eventTime:
        _validate_new_style(one, problems, "reportingComponent")


def _validate_new_style(one: Event, problems: Problems, field: str) -> None:
    """What events.k8s.io asks of an event that has an eventTime."""
    if not one.reportingComponent:
        problems.at(field).required()
    report(names.qualified_name(one.reportingComponent), one.reportingComponent, problems, field)
    limits: tuple[tuple[str, str, Any], ...] = (
        ("reportingInstance", one.reportingInstance, 128),
        ("action", one.action, 128),
        ("reason", one.reason, 128),
    )
    for field, value, limit in limits:
        if not value:
            problems.at(field).required()
        if len(value) > limit:
            problems.at(field).invalid("", f"can have at most {limit} characters")
    if len(one.message) > 1024:
        problems.at("message").invalid("", "can have at most 1024 characters")
