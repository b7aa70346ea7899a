"""The variables of CEL for one request: `object`, `oldObject`, `request`, `namespaceObject`, `params`, `authorizer`.

Values are JSON as the API has it, in the version in which the policy or webhook sees the request; each is made when it is needed first.
Upstream: admission/plugin/cel/activation.go, CreateAdmissionRequest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.api.types.core_v1 import Namespace
from pilothouse.apiserver.admission.attributes import request_json
from pilothouse.apiserver.admission.matching.versions import Version, versioned
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.apiserver.auth.user import SERVICE_ACCOUNT_PREFIX, User, service_account_groups
from pilothouse.cel.libraries.authz import ALLOW, DENY, NO_OPINION, Answer, AuthorizerValue, ResourceCheckValue
from pilothouse.cel.libraries.authz import Attributes as Question
from pilothouse.kit.offload import in_waiting_thread
from pilothouse.machinery import codec
from pilothouse.machinery.errors import not_found
from pilothouse.machinery.resource import Resource

MISSING = object()
HIDDEN = ("managedFields", "ownerReferences", "selfLink")
"""Fields of a Namespace's metadata that expressions do not see."""


class Lazy:
    """A function of no arguments that is called at most once."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make: Callable[[], Any] | None = make
        self._value: Any = None

    def __call__(self) -> Any:
        if self._make is not None:
            self._value, self._make = self._make(), None
        return self._value


class RequestVariables:
    """The variables of one version of a request with one param, for the kinds of expressions that see different ones."""

    __slots__ = ("_conditions", "all", "unauthorized")

    def __init__(self, unauthorized: Mapping[str, Any], authorizer: Mapping[str, Any]) -> None:
        self.unauthorized = unauthorized
        """What messages and audit annotations see."""
        self.all = {**unauthorized, **authorizer}
        self._conditions: Mapping[str, Any] | None = None

    @property
    def of_conditions(self) -> Mapping[str, Any]:
        """Variables of match conditions: without the namespace, as upstream."""
        if self._conditions is None:
            self._conditions = {**self.all, "namespaceObject": None}
        return self._conditions


class RequestValues:
    """The variables that a request gives, for all policies or webhooks that are asked about it.

    `has_namespace` False: `namespaceObject` is null, and the namespace need not be there.
    """

    def __init__(self, request: AdmissionRequest, world: World, *, has_namespace: bool = True) -> None:
        self._request, self._world = request, world
        self._by_version: dict[Version, RequestVariables] = {}
        self._converted: dict[Version, dict[str, Any]] = {}
        self._namespace: Any = MISSING if has_namespace else None
        self._params: tuple[Any, Any] = (None, None)
        self._authorizer = authorizer_values(request, world)

    async def variables(self, version: Version, param: Any = None, resource: Resource[Any] | None = None) -> RequestVariables:
        """The variables in one version with one param (an object of the stored version); StatusError 404 without the namespace."""
        known = self._by_version.get(version)
        if known is None:
            values = {**await self.convert(version), "namespaceObject": await self._namespace_json()}
            known = self._by_version[version] = RequestVariables(values, self._authorizer)
        if resource is None:
            return known
        return RequestVariables({**known.unauthorized, "params": await self._param_json(param, resource)}, self._authorizer)

    async def convert(self, version: Version) -> dict[str, Any]:
        """Convert the request's objects to one version. A conversion webhook is called once, in a thread; StatusError when it fails."""
        request = self._request
        if request.resource.converter is None or version.resource is request.resource:
            return values_of(request, version)
        made = self._converted.get(version)
        if made is None:
            made = self._converted[version] = await in_waiting_thread(values_of, request, version)
            await in_waiting_thread(made["oldObject"])
        return made

    async def _param_json(self, param: Any, resource: Resource[Any]) -> Any:
        if self._params[0] is not param:
            made = param_json(param, resource) if resource.converter is None else await in_waiting_thread(param_json, param, resource)
            self._params = param, made
        return self._params[1]

    async def _namespace_json(self) -> Any:
        if self._namespace is MISSING:
            self._namespace = namespace_json(await namespace_of(self._request, self._world))
        return self._namespace


def values_of(request: AdmissionRequest, version: Version) -> dict[str, Any]:
    """The variables that a request gives in one version; params, namespace and authorizer come on top."""
    return {
        "object": json_of(versioned(request.object, request, version)),
        "oldObject": Lazy(lambda: json_of(versioned(request.old_object, request, version))),
        "request": request_json(request, version),
    }


def authorizer_values(request: AdmissionRequest, world: World) -> dict[str, Any]:
    """`authorizer` and `authorizer.requestResource` for the user of a request."""
    authorizer = _Authorizer(world)
    resource = Question(
        request.user,
        "",
        group=request.served.group,
        resource=request.served.plural,
        subresource=request.subresource,
        namespace=request.namespace,
        name=request.name,
    )
    return {
        "authorizer": AuthorizerValue(authorizer, request.user),
        "authorizer.requestResource": ResourceCheckValue(authorizer, resource),
    }


class _Authorizer:
    """Answers what expressions ask, once for each question of a request."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answers: dict[Any, Answer] = {}

    def authorize(self, question: Question) -> Answer:
        """The decision and its reason."""
        user: User = question.user
        asked = Attributes(
            question.verb,
            question.group,
            question.version,
            question.resource,
            question.subresource,
            question.namespace,
            question.name,
            question.path,
            question.field_selector,
            question.label_selector,
        )
        key = (user.name, user.groups, asked)
        if key not in self._answers:
            decision = self._world.decision(user, asked)
            self._answers[key] = Answer(ALLOW if decision.allowed else DENY if decision.is_final else NO_OPINION, decision.reason)
        return self._answers[key]

    def service_account(self, namespace: str, name: str) -> User:
        """The user that a service account is."""
        return User(f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}", groups=service_account_groups(namespace))


async def namespace_of(request: AdmissionRequest, world: World) -> Namespace | None:
    """The namespace of a request's object; None of what is in none, and of a Namespace itself. StatusError 404 when it is not there."""
    kind = request.exchanged
    if not request.namespace or (kind.group, kind.version, kind.kind) == ("", "v1", "Namespace"):
        return None
    namespace = await world.get(Namespace, request.namespace)
    if namespace is None:
        raise not_found("namespaces", "", request.namespace)
    return namespace


def json_of(obj: Any) -> Any:
    """An object as JSON; None stays None."""
    return None if obj is None else codec.to_dict(obj)


def param_json(param: Any, resource: Resource[Any] | None) -> Any:
    """A param as JSON in the version of the paramKind."""
    if param is None or resource is None or resource.from_stored is None:
        return json_of(param)
    return json_of(resource.from_stored(param))


def namespace_json(namespace: Namespace | None) -> Any:
    """The namespace as expressions see it: without kind, managedFields and ownerReferences."""
    if namespace is None:
        return None
    value = codec.to_dict(namespace)
    metadata = {name: field for name, field in value["metadata"].items() if name not in HIDDEN}
    return {"metadata": metadata, "spec": value.get("spec", {}), "status": value.get("status", {})}
