"""Audit events, as upstream writes them: the fields of `audit.k8s.io/v1` Event in Go's order, as JSON or as a legacy line. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import User
from pilothouse.machinery import codec, time
from pilothouse.machinery.meta_v1 import Status, StatusDetails
from pilothouse.machinery.quoting import go_quoted

AGENT_LIMIT = 1024
TRUNCATED_AGENT = "...TRUNCATED"
NO_RAW = msgspec.Raw()


class UserInfo(msgspec.Struct, omit_defaults=True, gc=False):
    """Who asked."""

    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}

    @classmethod
    def of(cls, user: User | None) -> UserInfo:
        """A user's; nothing of one who is not known."""
        if user is None:
            return cls()
        return cls(user.name, user.uid, list(user.groups), {name: list(values) for name, values in sorted(user.extra.items())})


class ObjectReference(msgspec.Struct, omit_defaults=True, gc=False):
    """What was asked for."""

    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiGroup: str = ""
    apiVersion: str = ""
    resourceVersion: str = ""
    subresource: str = ""

    @classmethod
    def of(cls, asked: Attributes) -> ObjectReference | None:
        """Of a request; None of one for a plain path."""
        if asked.path:
            return None
        return cls(
            asked.resource,
            asked.namespace,
            asked.name,
            apiGroup=asked.group,
            apiVersion=asked.version,
            subresource=asked.subresource,
        )


class ResponseStatus(msgspec.Struct, omit_defaults=True, gc=False):
    """What was answered: of a Status that was the answer its fields, otherwise the code alone."""

    metadata: dict[str, str] = msgspec.field(default_factory=lambda: {})
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: int = 0

    @classmethod
    def of(cls, status: Status | None, code: int) -> ResponseStatus:
        """The code, and of a Status its other fields."""
        if status is None:
            return cls(code=code)
        return cls(status=status.status, message=status.message, reason=status.reason, details=status.details, code=code)


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """What is recorded of a request at one of its stages. Times are texts; objects are JSON."""

    kind: str = ""
    apiVersion: str = ""
    level: str = ""
    auditID: str = ""
    stage: str = ""
    requestURI: str = ""
    verb: str | None = None
    user: UserInfo | None = None
    impersonatedUser: UserInfo | None = None
    authenticationMetadata: dict[str, str] | None = None
    sourceIPs: list[str] = []
    userAgent: str = ""
    objectRef: ObjectReference | None = None
    responseStatus: ResponseStatus | None = None
    requestObject: msgspec.Raw = NO_RAW
    responseObject: msgspec.Raw = NO_RAW
    requestReceivedTimestamp: str = ""
    stageTimestamp: str = ""
    annotations: dict[str, str] = {}


def encoded(event: Event) -> bytes:
    """The event's JSON, as Go writes it."""
    return codec.encode(event)


def legacy(event: Event) -> bytes:
    """The event as a line of `--audit-log-format=legacy`."""
    user, acting = event.user or UserInfo(), event.impersonatedUser
    groups = _strings(user.groups) if user.username and user.groups else "<none>"
    fields = {
        "id": event.auditID,
        "stage": event.stage,
        "ip": event.sourceIPs[0] if event.sourceIPs else "<unknown>",
        "method": event.verb or "",
        "user": user.username or "<none>",
        "groups": groups,
        "as": acting.username if acting is not None else "<self>",
        "asgroups": _strings(acting.groups) if acting is not None and acting.groups else "<lookup>",
        "user-agent": event.userAgent,
        "namespace": (event.objectRef.namespace if event.objectRef is not None else "") or "<none>",
        "uri": event.requestURI,
    }
    response = str(event.responseStatus.code) if event.responseStatus is not None else "<deferred>"
    moment = event.requestReceivedTimestamp.removesuffix("Z").rstrip("0").removesuffix(".") + "Z"
    told = " ".join(f"{name}={go_quoted(value)}" for name, value in fields.items())
    return f'{moment} AUDIT: {told} response="{response}"'.encode()


def _strings(values: Sequence[str]) -> str:
    return ",".join(map(go_quoted, values))


def agent_of(text: str) -> str:
    """The User-Agent, cut where it is too long."""
    return text if len(text) <= AGENT_LIMIT else text[:AGENT_LIMIT] + TRUNCATED_AGENT


def addresses_of(forwarded: str, real: str, remote: str) -> list[str]:
    """Where a request comes from: the addresses that X-Forwarded-For names, X-Real-Ip, the connection's own, each where it is new."""
    addresses = list(_addresses(forwarded.split(","))) if forwarded else []
    addresses += [address for address in _addresses([real]) if address not in addresses]
    addresses += [address for address in _addresses([remote]) if not addresses or addresses[-1] != address]
    return addresses


def _addresses(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            continue
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        yield str(mapped or address)


def moment_of(moment: datetime) -> str:
    """A time as a MicroTime."""
    return time.micro(moment)


def without_managed_fields(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object, a list or a Table of parsed JSON, without the record of who owns what."""
    changed = dict(obj)
    if isinstance(metadata := obj.get("metadata"), dict) and "managedFields" in metadata:
        changed["metadata"] = {name: value for name, value in metadata.items() if name != "managedFields"}
    if isinstance(items := obj.get("items"), list):
        changed["items"] = [without_managed_fields(item) if isinstance(item, dict) else item for item in items]
    if obj.get("kind") == "Table" and isinstance(rows := obj.get("rows"), list):
        changed["rows"] = [
            {**row, "object": without_managed_fields(row["object"])} if isinstance(row.get("object"), dict) else row for row in rows
        ]
    return changed
