"""Event, events.k8s.io/v1: the newer face of what happened to an object. The stored form is the core group's (core/event.py)."""

from __future__ import annotations

from pilothouse.api.core.columns import converted
from pilothouse.api.core.event import EVENT
from pilothouse.api.types import core_v1
from pilothouse.api.types.events_v1 import Event, EventSeries
from pilothouse.machinery.resource import Resource


def to_stored(one: Event) -> core_v1.Event:
    """The core/v1 form of the same event."""
    series = one.series
    return core_v1.Event(
        metadata=one.metadata,
        action=one.action,
        count=one.deprecatedCount or 0,
        eventTime=one.eventTime,
        firstTimestamp=one.deprecatedFirstTimestamp,
        involvedObject=one.regarding or core_v1.ObjectReference(),
        lastTimestamp=one.deprecatedLastTimestamp,
        message=one.note,
        reason=one.reason,
        related=one.related,
        reportingComponent=one.reportingController,
        reportingInstance=one.reportingInstance,
        series=core_v1.EventSeries(count=series.count, lastObservedTime=series.lastObservedTime) if series else None,
        source=one.deprecatedSource or core_v1.EventSource(),
        type=one.type,
    )


def from_stored(one: core_v1.Event) -> Event:
    """The events.k8s.io/v1 form of the same event."""
    series = one.series
    return Event(
        metadata=one.metadata,
        action=one.action,
        deprecatedCount=one.count or None,
        deprecatedFirstTimestamp=one.firstTimestamp,
        deprecatedLastTimestamp=one.lastTimestamp,
        deprecatedSource=one.source if one.source != core_v1.EventSource() else None,
        eventTime=one.eventTime,
        note=one.message,
        reason=one.reason,
        regarding=one.involvedObject if one.involvedObject != core_v1.ObjectReference() else None,
        related=one.related,
        reportingController=one.reportingComponent,
        reportingInstance=one.reportingInstance,
        series=EventSeries(count=series.count or 0, lastObservedTime=series.lastObservedTime) if series else None,
        type=one.type,
    )


EVENTS_EVENT = Resource(
    Event,
    plural="events",
    short_names=("ev",),
    columns=converted(EVENT.columns or (), to_stored),
    selectable_fields={
        "reason": lambda one: one.reason,
        "regarding.kind": lambda one: one.regarding.kind if one.regarding else "",
        "regarding.namespace": lambda one: one.regarding.namespace if one.regarding else "",
        "regarding.name": lambda one: one.regarding.name if one.regarding else "",
        "regarding.uid": lambda one: one.regarding.uid if one.regarding else "",
        "regarding.apiVersion": lambda one: one.regarding.apiVersion if one.regarding else "",
        "regarding.resourceVersion": lambda one: one.regarding.resourceVersion if one.regarding else "",
        "regarding.fieldPath": lambda one: one.regarding.fieldPath if one.regarding else "",
        "reportingController": lambda one: one.reportingController,
        "type": lambda one: one.type,
    },
    stored_as=EVENT,
    to_stored=to_stored,
    from_stored=from_stored,
)
