"""Content negotiation: the form of a response by the Accept header, in upstream's order.

- JSON, YAML and protobuf of the object itself; PartialObjectMetadata(List) in the same forms; Table as JSON or YAML.
- A clause that asks for what is not served (another stream, another transformation) is passed over; when none is left: 406.
- What clients send repeats: results are remembered (a bounded cache).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilothouse.kit.remember import remember
from pilothouse.machinery import errors, strconv
from pilothouse.machinery.meta_v1 import StatusDetails
from pilothouse.machinery.resource import Resource

ACCEPTS_REMEMBERED = 1024
JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
SERVED = (JSON, YAML, PROTOBUF)
"""In the order in which `*/*` and `application/*` choose."""
OFFERED = f"{JSON}, {YAML}, {PROTOBUF}"
"""How upstream's 406 lists what there is."""
STREAMED = f"{JSON};stream=watch, {PROTOBUF};stream=watch"
"""The same for watches."""
PARTIAL = frozenset(("PartialObjectMetadata", "PartialObjectMetadataList"))
META_VERSIONS = frozenset(("v1", "v1beta1"))
TARGET = ("as", "g", "v")
"""The parameters that name a transformation: kind, group and version."""


@dataclass(frozen=True, slots=True)
class Form:
    """Form of a response: media type, and the transformation `as_` (Table, PartialObjectMetadata(List) or none)."""

    media_type: str = JSON
    as_: str = ""
    version: str = "v1"
    pretty: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Forms that an endpoint supports: Table, protobuf, transformations."""

    tables: bool = True
    binary: bool = True
    transforms: bool = True


PLAIN = Form()
OBJECT = Endpoint()
ANSWER_ONLY = Endpoint(tables=False)
"""What is only answered, and never read: reviews, tokens, bindings."""
NO_PROTOBUF = Endpoint(binary=False)
"""Of kinds without a Go type: custom resources."""
ERROR = Endpoint(transforms=False)


def check_route(accept: str, *, collection: bool = False, served: tuple[str, ...] = SERVED) -> None:
    """Refuse what upstream's router refuses before any handler sees it: an Accept header that names none of the media types literally.

    It knows `*/*` but no `application/*`; `collection` says whether the path can be watched, which its text lists, too.
    """
    if accept and accept != JSON and not _is_routed(accept, served):
        offered = f"{OFFERED}, {STREAMED}" if collection else ", ".join(served)
        message = f"406: Not Acceptable\n\nAvailable representations: {offered}"
        raise errors.failure(406, "NotAcceptable", message, StatusDetails())


@remember(ACCEPTS_REMEMBERED)
def _is_routed(accept: str, served: tuple[str, ...]) -> bool:
    return any(clause.partition(";")[0].strip() in ("*/*", *served) for clause in accept.split(","))


@remember(ACCEPTS_REMEMBERED)
def negotiate(accept: str, endpoint: Endpoint = OBJECT) -> Form:
    """The best form for an Accept header; StatusError 406 when nothing that is accepted is served."""
    if not accept or accept == JSON or accept == "*/*":
        return PLAIN
    for type, subtype, parameters in clauses(accept):
        for media_type in served_by(type, subtype):
            if (form := _form(media_type, parameters, endpoint)) is not None:
                return form
    raise not_acceptable()


def served_by(type: str, subtype: str) -> tuple[str, ...]:
    """The media types that a clause accepts, in the order in which they are tried."""
    return tuple(media_type for media_type in SERVED if f"{type}/{subtype}" in (media_type, "application/*", "*/*"))


def _form(media_type: str, parameters: dict[str, str], endpoint: Endpoint) -> Form | None:
    """The form that a clause asks for in a media type; None when the endpoint has none."""
    stream = parameters.get("stream", "")
    if (stream and (stream != "watch" or media_type == YAML)) or parameters.get("sv", "v1") not in ("", "v1"):
        return None
    pretty = parameters.get("pretty") == "1"
    if not any(name in parameters for name in TARGET):
        return Form(media_type, pretty=pretty) if endpoint.binary or media_type != PROTOBUF else None
    kind, group, version = (parameters.get(name, "") for name in TARGET)
    served = kind in PARTIAL or (kind == "Table" and endpoint.tables and media_type != PROTOBUF)
    if not endpoint.transforms or group != "meta.k8s.io" or version not in META_VERSIONS or not served:
        return None
    return Form(media_type, kind, version, pretty)


def not_acceptable(offered: str = OFFERED) -> errors.StatusError:
    """The 406 that names the media types that are offered."""
    return errors.failure(406, "NotAcceptable", f"only the following media types are accepted: {offered}")


def check_transformation(form: Form, resource: Resource[Any], *, is_list: bool) -> None:
    """PartialObjectMetadata is made of one object, PartialObjectMetadataList of a list; the other way round is a 406."""
    if form.as_ not in PARTIAL or (form.as_ == "PartialObjectMetadataList") == is_list:
        return
    if resource.is_hub and not is_list:  # upstream's type of such objects may be a list, and is found out to be none later
        raise errors.failure(500, "", "content is not a list")
    package = resource.group.partition(".")[0] if resource.group not in ("", "events.k8s.io") else "core"
    kind = "unstructured.Unstructured" if resource.is_hub else f"{package}.{resource.kind}"
    text = f"is a list (*{kind}List)" if is_list else f"is not a list (*{kind})"
    raise errors.failure(406, "NotAcceptable", f"you requested {form.as_}, but the requested object {text}")


@remember(ACCEPTS_REMEMBERED)
def clauses(accept: str) -> tuple[tuple[str, str, dict[str, str]], ...]:
    """The clauses of an Accept header in upstream's order: (type, subtype, parameters)."""
    parsed = [clause for text in accept.split(",") if (clause := _clause(text)) is not None]
    for index in range(1, len(parsed)):
        while index and _before(parsed[index], parsed[index - 1]):
            parsed[index], parsed[index - 1] = parsed[index - 1], parsed[index]
            index -= 1
    return tuple((type, subtype, parameters) for _, type, subtype, parameters in parsed)


Clause = tuple[float, str, str, dict[str, str]]


def _clause(text: str) -> Clause | None:
    """Quality, type, subtype and parameters; None for what is no media type."""
    media_type, *rest = text.strip(" ").split(";")
    type, _, subtype = (part.strip(" ") for part in media_type.partition("/"))
    if not subtype and type == "*":
        subtype = "*"
    if not subtype or "/" in subtype:
        return None
    quality, parameters = 1.0, {}
    for part in rest:
        name, _, value = part.partition("=")
        if not value or "=" in value:
            continue
        if name.strip(" ") == "q":
            quality = _quality(value)
        else:
            parameters[name.strip(" ")] = value.strip(" ")
    return quality, type, subtype, parameters


def _before(clause: Clause, other: Clause) -> bool:
    """Upstream's order, which is not transitive: better quality, and whatever its quality a named type before a wildcard."""
    if clause[0] > other[0]:
        return True
    return (clause[1] != "*" and other[1] == "*") or (clause[2] != "*" and other[2] == "*")


def _quality(text: str) -> float:
    """A quality; what is no number counts as 0, as Go reads it."""
    try:
        quality = strconv.parse_float(text)
    except ValueError:
        return 0.0
    return 0.0 if quality != quality else quality
