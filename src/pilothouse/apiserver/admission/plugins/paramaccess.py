"""Requires that writers of admission policies and bindings may read the params that these name.

Upstream asks this in the strategies of the four kinds (pkg/registry/admissionregistration, authz.go), after they have been validated.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.admissionregistration_v1 import MutatingAdmissionPolicy, ValidatingAdmissionPolicy
from pilothouse.apiserver.admission.plugin import DELETE, AdmissionRequest, Plugin, World
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import MASTERS, User
from pilothouse.machinery.errors import invalid
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import Resource

GROUP = "admissionregistration.k8s.io"
POLICIES: dict[str, type[Any]] = {
    "validatingadmissionpolicies": ValidatingAdmissionPolicy,
    "mutatingadmissionpolicies": MutatingAdmissionPolicy,
}
BINDINGS: dict[str, type[Any]] = {
    "validatingadmissionpolicybindings": ValidatingAdmissionPolicy,
    "mutatingadmissionpolicybindings": MutatingAdmissionPolicy,
}
ANY = "*"


class ParamAccess(Plugin):
    """Refuses a new paramKind or paramRef that its writer may not read: 422, as what is wrong with a field."""

    name = "ParamAccess"
    kinds = frozenset((GROUP, plural) for plural in (*POLICIES, *BINDINGS))

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse a policy or binding whose writer may not read the params that it names; `system:masters` may."""
        if request.operation == DELETE or request.subresource or MASTERS in request.user.groups:
            return
        if request.resource.plural in POLICIES:
            _check_policy(request, world)
        else:
            await _check_binding(request, world)


def _check_policy(request: AdmissionRequest, world: World) -> None:
    kind = request.object.spec.paramKind
    if kind is None or (request.old_object is not None and request.old_object.spec.paramKind == kind):
        return
    group, version, resource = _resource(kind, world)
    if not world.may(request.user, Attributes("get", group, version, resource, namespace=ANY, name=ANY)):
        of = f"(kind={kind.kind}, apiVersion={kind.apiVersion})"
        _refuse(
            request, "paramKind", f'user {_shown(request.user)} must have "get" permission on all objects of the referenced paramKind {of}'
        )


async def _check_binding(request: AdmissionRequest, world: World) -> None:
    spec, old = request.object.spec, request.old_object
    reference = spec.paramRef
    if reference is None:
        return
    if old is not None and (old.spec.paramRef, old.spec.policyName) == (reference, spec.policyName):
        return
    policy = await world.get(BINDINGS[request.resource.plural], spec.policyName)
    group, version, resource = _resource(policy and policy.spec.paramKind, world)
    verb = "get" if reference.name else "list"
    if world.may(request.user, Attributes(verb, group, version, resource, namespace=reference.namespace, name=reference.name)):
        return
    user = _shown(request.user)
    needed = f'does not have "{verb}" permission for all groups, versions and resources'
    unknown = f"to determine minimum required permissions and user {user} {needed}"
    if policy is None:
        message = f"unable to get policy {spec.policyName} {unknown}"
    elif policy.spec.paramKind is not None and resource == ANY:
        kind = policy.spec.paramKind
        shown = f"&{{{kind.apiVersion} {kind.kind}}}"
        message = f"unable to resolve paramKind {shown} {unknown}"
    else:
        message = f'user {user} does not have "{verb}" permission on the object referenced by paramRef'
    _refuse(request, "paramRef", message)


def _resource(kind: Any, world: World) -> tuple[str, str, str]:
    """Group, version and plural of a paramKind; `*` for what is not known of it."""
    if kind is None:
        return ANY, ANY, ANY
    group, _, version = kind.apiVersion.rpartition("/")
    resource: Resource[Any] | None = world.catalogue.by_kind(group, version, kind.kind)
    return group, version, ANY if resource is None else resource.plural


def _shown(user: User) -> str:
    """A user as Go's %v prints it."""
    extra = " ".join(f"{name}:[{' '.join(values)}]" for name, values in sorted(user.extra.items()))
    return f"&{{{user.name} {user.uid} [{' '.join(user.groups)}] map[{extra}]}}"


def _refuse(request: AdmissionRequest, field: str, message: str) -> None:
    problems = Problems("spec")
    problems.at(field).forbidden(message)
    raise invalid(request.resource.kind, request.resource.group, request.object.metadata.name, problems.found)
