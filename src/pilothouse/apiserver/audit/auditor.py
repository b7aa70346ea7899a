"""What is told of a request while it is answered: an `AuditContext` a request, made by the `Auditor`.

- Whoever learns something (the authorizer's reason, a body, an admission plugin) notes it in the context; nobody else knows events.
- At each stage that the policy does not omit, the event goes to the backends as it is then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import orjson

from pilothouse.apiserver.audit.backends import Backend
from pilothouse.apiserver.audit.event import (
    Event,
    ObjectReference,
    ResponseStatus,
    UserInfo,
    agent_of,
    moment_of,
    without_managed_fields,
)
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.apiserver.audit.policy import COMPLETE, NONE, PANIC, RECEIVED, STARTED, Scope, Verdicts
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import User
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import time
from pilothouse.machinery.codec import encode
from pilothouse.machinery.meta_v1 import Status

log = logging.getLogger(__name__)

DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"
DEPRECATED, REMOVED_RELEASE = "k8s.io/deprecated", "k8s.io/removed-release"
LATENCY = "apiserver.latency.k8s.io/"
SLOW_SECONDS = 0.5
"""Only of requests that take longer than this it is told where the time went."""
ID_LIMIT = 64
CLOSED_EARLY = Status(status="Success", message="Connection closed early")
STREAMS = frozenset(("attach", "exec", "log", "portforward", "proxy"))


class Annotations(dict[str, str]):
    """Annotations of an event: what was said first stays, as upstream."""

    def __setitem__(self, key: str, value: str) -> None:
        if key not in self:
            super().__setitem__(key, value)
        elif self[key] != value:
            log.warning("an audit annotation was set before", extra={"key": key})

    def update(self, *others: Any, **more: str) -> None:
        """Add what is not there yet."""
        for key, value in dict(*others, **more).items():
            self[key] = value


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a request when it comes; `audit_id` is "" for one that has none yet."""

    attributes: Attributes
    uri: str
    agent: str
    addresses: Sequence[str]
    received: datetime
    audit_id: str = ""


class Auditor:
    """One per API server: a policy, and where events go."""

    def __init__(self, verdicts: Verdicts, backends: Sequence[Backend], clock: Clock, entropy: Entropy, metrics: AuditMetrics) -> None:
        self.verdicts, self.backends, self.clock, self.entropy, self.metrics = verdicts, tuple(backends), clock, entropy, metrics

    @property
    def is_strict(self) -> bool:
        """Whether a request is refused when its event cannot be recorded."""
        return any(backend.is_strict for backend in self.backends)

    def begin(self, user: User | None, asked: Asked, annotations: Annotations | None = None) -> AuditContext | None:
        """The context of a request; None when the policy wants nothing of it."""
        scope = self.verdicts.scope_of(user, asked.attributes)
        self.metrics.levels[scope.level] += 1
        return None if scope.level == NONE else AuditContext(self, scope, user, asked, annotations)

    def process(self, event: Event) -> Awaitable[bool] | None:
        """Hand an event to the backends; what is to be waited for, where one of them is blocking."""
        self.metrics.events += 1
        waits = [wait for backend in self.backends if (wait := backend.process(event)) is not None]
        return all_of(waits) if len(waits) > 1 else waits[0] if waits else None

    async def run(self) -> None:
        """Run the backends until cancelled; what they have is then written."""
        async with asyncio.TaskGroup() as group:
            for backend in self.backends:
                group.create_task(backend.run(), name="audit backend")


async def all_of(waits: Sequence[Awaitable[bool]]) -> bool:
    """Whether all have succeeded."""
    return all([await wait for wait in waits])


class AuditContext:
    """What has been learnt of one request."""

    def __init__(self, auditor: Auditor, scope: Scope, user: User | None, asked: Asked, annotations: Annotations | None) -> None:
        self.scope = scope
        self.annotations = Annotations() if annotations is None else annotations
        self._auditor = auditor
        self._since = auditor.clock.monotonic()
        self._waits: list[Awaitable[bool]] = []
        self._responded = False
        self._started = False
        subject = asked.attributes
        self.is_long_running = not subject.path and (subject.verb == "watch" or subject.subresource in STREAMS)
        self._event = Event(
            "Event",
            "audit.k8s.io/v1",
            scope.level,
            asked.audit_id[:ID_LIMIT] or auditor.entropy.uid(),
            requestURI=asked.uri,
            verb=subject.verb,
            user=UserInfo.of(user),
            sourceIPs=list(asked.addresses),
            userAgent=agent_of(asked.agent),
            objectRef=ObjectReference.of(subject),
            requestReceivedTimestamp=moment_of(asked.received),
        )

    # What is learnt.

    def decided(self, *, allowed: bool, reason: str) -> None:
        """Note the authorizer's decision."""
        self.annotations[DECISION] = "allow" if allowed else "forbid"
        self.annotations[REASON] = reason

    def impersonated(self, user: User, constraint: str = "") -> None:
        """Note for whom the request is made; `constraint` is the verb that constrained impersonation was allowed by."""
        self._event.impersonatedUser = UserInfo.of(user)
        if constraint:
            self._event.authenticationMetadata = {"impersonationConstraint": constraint}

    def requested(self, obj: Any, metadata: Any = None) -> None:
        """Note the object that was sent (a struct, or a dict), and by its metadata what it is about."""
        if metadata is not None and (ref := self._event.objectRef) is not None:
            ref.namespace = ref.namespace or metadata.namespace
            ref.name = ref.name or metadata.name
            ref.uid = ref.uid or metadata.uid
            ref.resourceVersion = ref.resourceVersion or metadata.resourceVersion
        if self.scope.has_requests:
            self._event.requestObject = self._shown(encode(obj))

    def patched(self, patch: bytes) -> None:
        """Note the patch that was sent, whatever it is."""
        if self.scope.has_requests:
            with suppress(ValueError):  # what is no JSON is left out
                self._event.requestObject = msgspec.Raw(msgspec.json.format(patch, indent=-1))

    def responded(self, code: int, status: Status | None = None, body: bytes = b"") -> None:
        """Note the answer: its code, the Status that it is, and its JSON where it is an object."""
        self._responded = True
        self._event.responseStatus = ResponseStatus.of(status, code)
        if body and self.scope.has_responses:
            self._event.responseObject = self._shown(body)

    def _shown(self, body: bytes) -> msgspec.Raw:
        if self.scope.omits_managed_fields and b'"managedFields"' in body:
            parsed = orjson.loads(body)
            body = orjson.dumps(without_managed_fields(parsed)) if isinstance(parsed, dict) else body
        return msgspec.Raw(body)

    # Stages.

    def received(self) -> None:
        """The first stage."""
        self._emit(RECEIVED, self._event.requestReceivedTimestamp)

    def started(self, code: int) -> None:
        """The head of a long answer has been sent."""
        if self._started or not self.is_long_running:
            return
        self._started = True
        if not self._responded:
            self.responded(code)
        self._emit(STARTED)

    def refused(self) -> None:
        """The only stage of a request that was not let in."""
        self._emit(STARTED)

    def completed(self) -> None:
        """The last stage."""
        if not self._responded:
            self.responded(200, CLOSED_EARLY)
        self.started(200)
        took = self._auditor.clock.monotonic() - self._since
        if took > SLOW_SECONDS:
            self.annotations[f"{LATENCY}total"] = time.duration_text(round(took * 1e9))
        self._emit(COMPLETE)

    def panicked(self, error: BaseException) -> None:
        """The last stage of a request that met a bug."""
        text = f"APIServer panic'd: {error}"
        self.responded(500, Status(status="Failure", message=text, reason="InternalError"))
        self._emit(PANIC)

    def _emit(self, stage: str, moment: str = "") -> None:
        if stage in self.scope.omitted_stages:
            return
        stamp = moment or moment_of(self._auditor.clock.now())
        ref = self._event.objectRef
        event = msgspec.structs.replace(
            self._event,
            stage=stage,
            stageTimestamp=stamp,
            objectRef=None if ref is None else msgspec.structs.replace(ref),  # more may be learnt before this is written
            annotations=dict(self.annotations),
        )
        if (wait := self._auditor.process(event)) is not None:
            self._waits.append(wait)

    async def kept(self) -> bool:
        """Return when blocking backends have kept what they were handed; whether all have succeeded."""
        waits, self._waits = self._waits, []
        return all([await wait for wait in waits])
