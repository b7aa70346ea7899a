"""Libraries `kubernetes.authz` and `kubernetes.authzSelectors`: `authorizer.group('apps').resource('deployments').check('get').allowed()`.

Who decides is the `Authorizer` that the value of the variable `authorizer` holds; it gets `Attributes` and gives an `Answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pilothouse.cel.costs import (
    LIST_CREATION,
    STRING_TRAVERSAL,
    STRUCT_CREATION,
    CallEstimate,
    Estimator,
    Node,
    Range,
    fixed,
    nominal,
    nominal_estimate,
)
from pilothouse.cel.declarations import Cost, Estimate, Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.types import BOOL, STRING, Type, object_type
from pilothouse.cel.values import size_of
from pilothouse.machinery import names

AUTHORIZER = object_type("kubernetes.authorization.Authorizer")
PATH_CHECK = object_type("kubernetes.authorization.PathCheck")
GROUP_CHECK = object_type("kubernetes.authorization.GroupCheck")
RESOURCE_CHECK = object_type("kubernetes.authorization.ResourceCheck")
DECISION = object_type("kubernetes.authorization.Decision")
CHECK_COST = 350_000
"""Of one question: an expression may ask two."""
REQUIREMENTS_A_CHARACTER = 0.5
REQUIREMENT_COST = LIST_CREATION + STRUCT_CREATION
ALLOW, DENY, NO_OPINION = "Allow", "Deny", "NoOpinion"


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of an authorization check: a resource, or a path where `path` is not empty. Selectors are texts."""

    user: Any
    verb: str
    path: str = ""
    group: str = ""
    version: str = "*"
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Decision with its reason; `error` when the check failed."""

    decision: str = NO_OPINION
    reason: str = ""
    error: str | None = None


class Authorizer(Protocol):
    """Decides whether a user may do something."""

    def authorize(self, attributes: Attributes) -> Answer:
        """The decision; it must not block for long."""

    def service_account(self, namespace: str, name: str) -> Any:
        """The user that a service account is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Receiver:
    """A value that is only there for its methods; equality has no overload for it."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise EvaluationError("no such overload")


@dataclass(frozen=True, slots=True, eq=False)
class AuthorizerValue(_Receiver):
    """The variable `authorizer`: asks for a user."""

    authorizer: Authorizer
    user: Any

    cel_type = AUTHORIZER


@dataclass(frozen=True, slots=True, eq=False)
class _PathCheck(_Receiver):
    asks: AuthorizerValue
    path: str

    cel_type = PATH_CHECK


@dataclass(frozen=True, slots=True, eq=False)
class _GroupCheck(_Receiver):
    asks: AuthorizerValue
    group: str

    cel_type = GROUP_CHECK


@dataclass(frozen=True, slots=True, eq=False)
class ResourceCheckValue(_Receiver):
    """A question about a resource, without its verb; the variable `authorizer.requestResource` is one."""

    authorizer: Authorizer
    attributes: Attributes = field(default_factory=lambda: Attributes(None, ""))

    cel_type = RESOURCE_CHECK


@dataclass(frozen=True, slots=True, eq=False)
class _Decision(_Receiver):
    answer: Answer

    cel_type = DECISION


def _path(value: AuthorizerValue, path: str) -> _PathCheck:
    if not path.strip():
        raise EvaluationError("path must not be empty")
    return _PathCheck(value, path)


def _service_account(value: AuthorizerValue, namespace: str, name: str) -> AuthorizerValue:
    if names.dns_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if names.dns_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    return AuthorizerValue(value.authorizer, value.authorizer.service_account(namespace, name))


def _resource(value: _GroupCheck, resource: str) -> ResourceCheckValue:
    if not resource.strip():
        raise EvaluationError("resource must not be empty")
    return ResourceCheckValue(value.asks.authorizer, Attributes(value.asks.user, "", group=value.group, resource=resource))


def _with(attribute: str) -> Callable[[ResourceCheckValue, str], ResourceCheckValue]:
    def narrow(value: ResourceCheckValue, text: str) -> ResourceCheckValue:
        return ResourceCheckValue(value.authorizer, replace(value.attributes, **{attribute: text}))

    return narrow


def _check_path(value: _PathCheck, verb: str) -> _Decision:
    return _Decision(value.asks.authorizer.authorize(Attributes(value.asks.user, verb, path=value.path, version="")))


def _check_resource(value: ResourceCheckValue, verb: str) -> _Decision:
    return _Decision(value.authorizer.authorize(replace(value.attributes, verb=verb)))


def check_cost(arguments: Sequence[Any], result: Any) -> int:
    """The same for every question."""
    return CHECK_COST


def check_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate:
    """The same for every question."""
    return CallEstimate(fixed(CHECK_COST))


def _selector_range(size: Range) -> Range:
    parsing = size.scaled(STRING_TRAVERSAL)
    requirements = size.scaled(REQUIREMENTS_A_CHARACTER).scaled(REQUIREMENT_COST)
    return fixed(LIST_CREATION).plus(parsing).plus(requirements)


def selector_cost(arguments: Sequence[Any], result: Any) -> int:
    """A selector is parsed into requirements."""
    return _selector_range(fixed(size_of(arguments[1]))).most


def selector_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """A selector is parsed into requirements."""
    return CallEstimate(_selector_range(estimator.size(arguments[0]))) if len(arguments) == 1 else None


def _method(
    name: str,
    *overloads: tuple[str, tuple[Type, ...], Type, Callable[..., Any]],
    cost: Cost = nominal,
    estimate: Estimate = nominal_estimate,
) -> Function:
    made = tuple(Overload(id, parameters, result, call, receiver=True) for id, parameters, result, call in overloads)
    return Function(name, made, cost, estimate)


def _narrowing(name: str, attribute: str) -> Function:
    return _method(name, (f"resourcecheck_{name}", (RESOURCE_CHECK, STRING), RESOURCE_CHECK, _with(attribute)))


def _selecting(name: str, overload: str, attribute: str) -> Function:
    declared = (overload, (RESOURCE_CHECK, STRING), RESOURCE_CHECK, _with(attribute))
    return _method(name, declared, cost=selector_cost, estimate=selector_estimate)


LIBRARY = Library(
    "kubernetes.authz",
    since=27,
    functions=(
        _method("path", ("authorizer_path", (AUTHORIZER, STRING), PATH_CHECK, _path)),
        _method("group", ("authorizer_group", (AUTHORIZER, STRING), GROUP_CHECK, _GroupCheck)),
        _method("serviceAccount", ("authorizer_serviceaccount", (AUTHORIZER, STRING, STRING), AUTHORIZER, _service_account)),
        _method("resource", ("groupcheck_resource", (GROUP_CHECK, STRING), RESOURCE_CHECK, _resource)),
        _narrowing("subresource", "subresource"),
        _narrowing("namespace", "namespace"),
        _narrowing("name", "name"),
        _method(
            "check",
            ("pathcheck_check", (PATH_CHECK, STRING), DECISION, _check_path),
            ("resourcecheck_check", (RESOURCE_CHECK, STRING), DECISION, _check_resource),
            cost=check_cost,
            estimate=check_estimate,
        ),
        _method("errored", ("decision_errored", (DECISION,), BOOL, lambda value: value.answer.error is not None)),
        _method("error", ("decision_error", (DECISION,), STRING, lambda value: value.answer.error or "")),
        _method("allowed", ("decision_allowed", (DECISION,), BOOL, lambda value: value.answer.decision == ALLOW)),
        _method("reason", ("decision_reason", (DECISION,), STRING, lambda value: value.answer.reason)),
    ),
)

SELECTORS_LIBRARY = Library(
    "kubernetes.authzSelectors",
    since=31,
    functions=(
        _selecting("fieldSelector", "authorizer_fieldselector", "field_selector"),
        _selecting("labelSelector", "authorizer_labelselector", "label_selector"),
    ),
)
