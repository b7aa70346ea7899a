"""Event, events.k8s.io/v1: the newer face of what happened to an object. The stored form is the core group's (core/event.py)."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.api.core.columns import converted
from pilothouse.api.core.event import EVENT
from pilothouse.api.core.validation.fields import report
from pilothouse.api.internal import internal
from pilothouse.api.types import core_v1
from pilothouse.api.types.events_v1 import Event, EventSeries
from pilothouse.machinery import names
from pilothouse.machinery.metadata import IMMUTABLE, maskable
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource
from pilothouse.machinery.strategy import Strategy


def to_stored(event: Event) -> core_v1.Event:
    """The core/v1 form of the same event."""
    series = event.series
    return core_v1.Event(
        metadata=event.metadata,
        action=event.action,
        count=event.deprecatedCount or 0,
        eventTime=event.eventTime,
        firstTimestamp=event.deprecatedFirstTimestamp,
        involvedObject=event.regarding or core_v1.ObjectReference(),
        lastTimestamp=event.deprecatedLastTimestamp,
        message=event.note,
        reason=event.reason,
        related=event.related,
        reportingComponent=event.reportingController,
        reportingInstance=event.reportingInstance,
        series=core_v1.EventSeries(count=series.count, lastObservedTime=series.lastObservedTime) if series else None,
        source=event.deprecatedSource or core_v1.EventSource(),
        type=event.type,
    )


def from_stored(event: core_v1.Event) -> Event:
    """The events.k8s.io/v1 form of the same event."""
    series = event.series
    return Event(
        metadata=event.metadata,
        action=event.action,
        deprecatedCount=event.count,
        deprecatedFirstTimestamp=event.firstTimestamp,
        deprecatedLastTimestamp=event.lastTimestamp,
        deprecatedSource=event.source,
        eventTime=event.eventTime,
        note=event.message,
        reason=event.reason,
        regarding=event.involvedObject,
        related=event.related,
        reportingController=event.reportingComponent,
        reportingInstance=event.reportingInstance,
        series=EventSeries(count=series.count or 0, lastObservedTime=series.lastObservedTime) if series else None,
        type=event.type,
    )


EVENTS_EVENT = Resource(
    Event,
    plural="events",
    short_names=("ev",),
    columns=converted(EVENT.columns or (), to_stored),
    selectable_fields={
        "reason": lambda event: event.reason,
        "regarding.kind": lambda event: event.regarding.kind if event.regarding else "",
        "regarding.namespace": lambda event: event.regarding.namespace if event.regarding else "",
        "regarding.name": lambda event: event.regarding.name if event.regarding else "",
        "regarding.uid": lambda event: event.regarding.uid if event.regarding else "",
        "regarding.apiVersion": lambda event: event.regarding.apiVersion if event.regarding else "",
        "regarding.resourceVersion": lambda event: event.regarding.resourceVersion if event.regarding else "",
        "regarding.fieldPath": lambda event: event.regarding.fieldPath if event.regarding else "",
        "reportingController": lambda event: event.reportingController,
        "type": lambda event: event.type,
    },
    stored_as=EVENT,
    to_stored=to_stored,
    from_stored=from_stored,
    strategy=Strategy(allow_create_on_update=True, generation=None, default_deletion="", lists_cached=False),
)


UNSET = (("firstTimestamp", ""), ("lastTimestamp", ""), ("count", 0), ("source", core_v1.EventSource()))
"""What the older face says in other words."""
SETTLED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime", "action", "related",
    "reportingComponent", "reportingInstance",
)  # fmt: skip
"""What no update through this face may change: all but the series."""
INTERNAL = {"involvedObject": "core.ObjectReference", "related": "core.ObjectReference"}
SHOWN = {"reportingComponent": "reportingController"}


@EVENTS_EVENT.validate
def validate(event: core_v1.Event, problems: Problems) -> None:
    """This face is strict about new events, where the older one takes what old clients send."""
    _shown_fields(problems)
    if event.metadata.name:
        report(names.dns_subdomain(event.metadata.name), event.metadata.name, problems, "metadata", "name")
    if event.metadata.generateName:
        masked = maskable(event.metadata.generateName)
        report(names.dns_subdomain(masked), event.metadata.generateName, problems, "metadata", "generateName")
    _validate_series(event, problems)
    if not event.eventTime:
        problems.at("eventTime").required()
    if event.type not in ("Normal", "Warning"):
        problems.at("type").invalid("", f"has invalid value: {event.type}")
    for name, zero in UNSET:
        if (getattr(event, name) or zero) != zero:
            problems.at(name).invalid("", "needs to be unset")


def _shown_fields(problems: Problems) -> None:
    """What has been said of the stored event so far, with the names of this version's fields."""
    for index, problem in enumerate(problems.found):
        problems.found[index] = replace(problem, path=SHOWN.get(problem.path, problem.path))


@EVENTS_EVENT.validate_update
def validate_update(old: core_v1.Event, new: core_v1.Event, problems: Problems) -> None:
    """Series, and the fields that never change. Upstream: ValidateEventUpdate for events.k8s.io/v1."""
    _shown_fields(problems)
    if new.series != old.series:
        _validate_series(new, problems)
    for name in SETTLED:
        value = getattr(new, name)
        if value == getattr(old, name):
            continue
        shown = internal(value, f"*{INTERNAL[name]}") if name in INTERNAL else value
        problems.at(SHOWN.get(name, name)).invalid(shown, IMMUTABLE)


def _validate_series(event: core_v1.Event, problems: Problems) -> None:
    if event.series is None:
        return
    if (event.series.count or 0) < 2:
        problems.at("series.count").invalid("", "should be at least 2")
    if not event.series.lastObservedTime:
        problems.at("series.lastObservedTime").required()
