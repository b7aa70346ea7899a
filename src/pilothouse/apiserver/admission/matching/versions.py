"""The versions of a resource: under which of them a rule selects a request, and the request's objects in it (matchPolicy: Equivalent)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pilothouse.apiserver.admission.plugin import AdmissionRequest
from pilothouse.kit.offload import in_waiting_thread
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.resource import Resource

T = TypeVar("T")
Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Version:
    """A resource in one version, and the kind that requests exchange there: its own, or that of the subresource (Scale)."""

    resource: Resource[Any]
    kind: Kind


def requested(request: AdmissionRequest) -> Version:
    """The version in which the request was made."""
    return Version(request.served, kind_of(request.exchanged))


def kind_of(resource: Resource[Any]) -> Kind:
    """Group, version and kind of a resource."""
    return resource.group, resource.version, resource.kind


def equivalents(request: AdmissionRequest, catalogue: Catalogue) -> Iterator[Version]:
    """The other versions of the request's resource (other groups', too: events) that have its subresource."""
    stored = request.resource.stored_as or request.resource
    for resource in catalogue.resources():
        if (resource.stored_as or resource) is not stored or resource is request.served or not resource.is_served:
            continue
        if not request.subresource:
            yield Version(resource, kind_of(resource))
        elif (subresource := resource.subresources.get(request.subresource)) is not None:
            yield Version(resource, subresource.kind or kind_of(resource))


def versioned(obj: Any, request: AdmissionRequest, version: Version) -> Any:
    """An object of the request (its object or its old object), as it is in `version`. None stays None; nothing is copied needlessly."""
    return obj if obj is None or not is_convertible(request) else _converted(obj, request.resource, version.resource)


def stored(obj: Any, request: AdmissionRequest, version: Version) -> Any:
    """An object in `version` as the request has it: in the version in which objects are admitted (`request.resource`)."""
    return obj if not is_convertible(request) else _converted(obj, version.resource, request.resource)


async def aside(request: AdmissionRequest, function: Callable[..., T], *args: Any) -> T:
    """The result of a function that looks at a request's objects in other versions: in a thread where a webhook converts them."""
    if request.resource.converter is None:
        return function(*args)
    return await in_waiting_thread(function, *args)


def _converted(obj: Any, origin: Resource[Any], target: Resource[Any]) -> Any:
    if origin is target:
        return obj
    if origin.converter is not None:
        return origin.converter.convert_one(obj, target)
    if origin.to_stored is not None:
        obj = origin.to_stored(obj)
    return obj if target.from_stored is None else target.from_stored(obj)


def is_convertible(request: AdmissionRequest) -> bool:
    """Whether the request exchanges the kind itself, which differs by version: a Scale is the same everywhere."""
    return request.exchanged is request.served
