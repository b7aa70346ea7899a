"""Params: the objects that a binding gives to its policy, each of which the policy is evaluated with once.

Upstream: policy/generic CollectParams. A binding without paramRef, or of a policy without paramKind, gives null once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.api.types.admissionregistration_v1 import ParamKind, ParamRef
from pilothouse.apiserver.admission.plugin import World
from pilothouse.machinery import labels
from pilothouse.machinery.catalogue import Catalogue
from pilothouse.machinery.resource import Resource

NAMESPACE_OF_CLUSTER_SCOPED = "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
NO_NAMESPACE = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
NOT_FOUND = "no params found for policy binding with `Deny` parameterNotFoundAction"
NO_PARAMS: Sequence[Any] = (None,)


class ParamsError(Exception):
    """Params are missing because of a configuration error; the text is upstream's."""


def resource_of(kind: ParamKind | None, catalogue: Catalogue) -> Resource[Any] | None:
    """The resource of a paramKind; None without one. ParamsError when it is not served."""
    if kind is None:
        return None
    group, _, version = kind.apiVersion.rpartition("/")
    resource = catalogue.by_kind(group, version, kind.kind)
    if resource is None:
        raise ParamsError(f"failed to find resource referenced by paramKind: '{group}/{version}, Kind={kind.kind}'")
    return resource


def namespace_of(reference: ParamRef, resource: Resource[Any], namespace: str) -> str:
    """The namespace to look in for params of a request in `namespace`; "" of a cluster-scoped kind."""
    if not resource.namespaced:
        if reference.namespace:
            raise ParamsError(NAMESPACE_OF_CLUSTER_SCOPED)
        return ""
    if not reference.namespace and not namespace:
        raise ParamsError(NO_NAMESPACE)
    return reference.namespace or namespace


async def collect(resource: Resource[Any] | None, reference: ParamRef | None, namespace: str, world: World) -> Sequence[Any]:
    """The params for a request in `namespace`, as objects of the stored version; empty when none are there and that is allowed."""
    if resource is None or reference is None:
        return NO_PARAMS
    place = namespace_of(reference, resource, namespace)
    kind = resource.type
    if reference.name:
        param = await world.get(kind, reference.name, place)
        params = [] if param is None else [param]
    else:
        selector = labels.from_label_selector(reference.selector)
        params = [param for param in await world.list(kind, place) if selector.matches(param.metadata.labels)]
    if not params and reference.parameterNotFoundAction == "Deny":
        raise ParamsError(NOT_FOUND)
    return params
