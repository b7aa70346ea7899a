"""Aggregation and rate limiting of Events, by client-go's rules (tools/record, EventCorrelator). Pure.

- An event that was sent before is counted up, not sent again.
- From the tenth message on that differs in nothing else within ten minutes, one event stands for all of them.
- One source may send 25 events about one object at once, then one in five minutes; the rest is dropped.
- Each memory holds 4,096 entries; the oldest is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pilothouse.api.types.core_v1 import Event
from pilothouse.machinery import codec

V = TypeVar("V")

MEMORY_LIMIT = 4096
SIMILAR_LIMIT = 10
SIMILAR_SECONDS = 600.0
SPAM_BURST = 25
SPAM_PER_SECOND = 1.0 / 300
COMBINED_PREFIX = "(combined from similar events): "

Identity = tuple[str, ...]


class Memory(Generic[V]):
    """The entries used last, at most `limit` of them."""

    def __init__(self, limit: int = MEMORY_LIMIT) -> None:
        self._entries: OrderedDict[Identity, V] = OrderedDict()
        self._limit = limit

    def get(self, key: Identity) -> V | None:
        """The entry, which now counts as used last; None when there is none."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: Identity, value: V) -> None:
        """Set an entry; drops the one that was unused longest when there are too many."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)


@dataclass(slots=True)
class _Similar:
    last: datetime
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Tokens:
    left: float
    at: datetime


@dataclass(slots=True)
class Correlated:
    """An event to send: new, or (`known`) one that is there and only counts up. `key` is for `sent`."""

    event: Event
    key: Identity
    known: bool


class Correlator:
    """Event correlator: counts repeated events, aggregates similar ones, drops what exceeds its source's rate."""

    def __init__(self) -> None:
        self._similar: Memory[_Similar] = Memory()
        self._sent: Memory[Event] = Memory()
        self._tokens: Memory[_Tokens] = Memory()

    def correlate(self, event: Event, now: datetime) -> Correlated | None:
        """The Event to send instead of `event`; None when it is dropped as spam."""
        event, key = self._aggregate(event, now)
        last = self._sent.get(key)
        if last is not None:
            event = codec.clone(event)
            event.metadata.name = last.metadata.name
            event.metadata.resourceVersion = last.metadata.resourceVersion
            event.firstTimestamp = last.firstTimestamp
            event.count = last.count + 1
        self._sent.put(key, event)
        if not self._allowed(event, now):
            return None
        return Correlated(event, key, known=last is not None)

    def sent(self, key: Identity, event: Event) -> None:
        """Remember what the server made of it."""
        self._sent.put(key, event)

    def _aggregate(self, event: Event, now: datetime) -> tuple[Event, Identity]:
        group = (*_source(event), *_object(event), event.type, event.reason)
        similar = self._similar.get(group)
        if similar is None or (now - similar.last).total_seconds() > SIMILAR_SECONDS:
            similar = _Similar(now)
        similar.last = now
        self._similar.put(group, similar)
        similar.messages.add(event.message)
        if len(similar.messages) < SIMILAR_LIMIT:
            return event, (*group, event.involvedObject.fieldPath, event.message)
        similar.messages.discard(event.message)
        combined = codec.clone(event)
        combined.message = COMBINED_PREFIX + event.message
        return combined, group

    def _allowed(self, event: Event, now: datetime) -> bool:
        source = (*_source(event), *_object(event))
        tokens = self._tokens.get(source) or _Tokens(SPAM_BURST, now)
        earned = (now - tokens.at).total_seconds() * SPAM_PER_SECOND
        tokens.left, tokens.at = min(tokens.left + earned, SPAM_BURST), now
        self._tokens.put(source, tokens)
        if tokens.left < 1:
            return False
        tokens.left -= 1
        return True


def counted(event: Event) -> dict[str, Any]:
    """The patch that counts an event up."""
    return {"count": event.count, "lastTimestamp": event.lastTimestamp, "message": event.message}


def _source(event: Event) -> Identity:
    return event.source.component, event.source.host


def _object(event: Event) -> Identity:
    about = event.involvedObject
    return about.kind, about.namespace, about.name, about.uid, about.apiVersion
