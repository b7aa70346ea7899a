"""Which form an answer takes: what the client accepts, in its order of preference.

- JSON and YAML of the object itself; Table and PartialObjectMetadata(List) as JSON or YAML.
- A form that is not served (protobuf) is passed over when another is accepted; when none is left: 406.
- What clients send repeats: results are remembered (a bounded cache).
"""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.kit.remember import remember
from pilothouse.machinery import errors, strconv

ACCEPTS_REMEMBERED = 1024
JSON = "application/json"
YAML = "application/yaml"
SERVED = {
    JSON: JSON,
    YAML: YAML,
    "application/*": JSON,
    "*/*": JSON,
}
OFFERED = "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/cbor"
"""How upstream's 406 lists what there is."""
STREAMED = "application/json, application/vnd.kubernetes.protobuf, application/cbor"
"""The same for watches."""
TRANSFORMS = frozenset(("Table", "PartialObjectMetadata", "PartialObjectMetadataList"))
META_VERSIONS = frozenset(("v1", "v1beta1"))


@dataclass(frozen=True, slots=True)
class Form:
    """How to answer: media type, and what to make of the object (`as_`: Table, PartialObjectMetadata(List) or nothing)."""

    media_type: str = JSON
    as_: str = ""
    version: str = "v1"
    pretty: bool = False


PLAIN = Form()


@remember(ACCEPTS_REMEMBERED)
def negotiate(accept: str, tables: bool = True) -> Form:
    """The best form for an Accept header; StatusError 406 when nothing that is accepted is served. `tables` says whether Table is."""
    if not accept or accept == JSON or accept == "*/*":
        return PLAIN
    for media_type, parameters in clauses(accept):
        served = SERVED.get(media_type)
        if served is None:
            continue
        as_ = parameters.get("as", "")
        if not as_:
            return Form(served, pretty=parameters.get("pretty") == "1")
        version = parameters.get("v", "")
        if as_ == "Table" and not tables:
            continue
        if as_ in TRANSFORMS and parameters.get("g") == "meta.k8s.io" and version in META_VERSIONS:
            return Form(served, as_, version)
    raise not_acceptable()


def not_acceptable(offered: str = OFFERED) -> errors.StatusError:
    message = f"only the following media types are accepted: {offered}"
    return errors.failure(406, "NotAcceptable", message)


@remember(ACCEPTS_REMEMBERED)
def clauses(accept: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """The clauses of an Accept header, best first: (media type, parameters)."""
    ranked = []
    for clause in accept.split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(_parameter(part) for part in rest if part)
        ranked.append((-_quality(parameters.pop("q", "1")), media_type.lower(), parameters))
    ranked.sort(key=lambda one: one[0])  # stable: equal qualities keep the client's order
    return tuple((media_type, parameters) for _, media_type, parameters in ranked)


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip().strip('"')


def _quality(text: str) -> float:
    try:
        found = strconv.parse_float(text)
    except ValueError:
        return 0.0
    return 0.0 if found != found else found
