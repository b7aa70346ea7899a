"""Policies, bindings and params that are evaluated for a request; shared by both kinds of policies.

Upstream: policy/generic (policy_dispatcher.go, policy_matcher.go).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pilothouse.apiserver.admission.matching.criteria import Criteria, match
from pilothouse.apiserver.admission.matching.index import Candidate
from pilothouse.apiserver.admission.matching.versions import Version
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.admission.policies import params
from pilothouse.apiserver.admission.policies.params import ParamsError
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.resource import Resource

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding, and what it matches: `criteria` None for all that its policy matches."""

    binding: Any
    criteria: Criteria | None


@dataclass(frozen=True, slots=True)
class Hook(Generic[E]):
    """A policy with its bindings in the order of their names, and its compiled expressions."""

    policy: Any
    bindings: Sequence[Bound]
    evaluator: E


@dataclass(frozen=True, slots=True)
class Invocation(Generic[E]):
    """A policy to be evaluated under a binding, for a request seen in `version`, once with each of the params."""

    hook: Hook[E]
    binding: Any
    version: Version
    params: Sequence[Any]
    param_resource: Resource[Any] | None


@dataclass(frozen=True, slots=True)
class ConfigurationError(Generic[E]):
    """A policy (`binding` None) or a binding that cannot be applied to a request which it matches."""

    hook: Hook[E]
    binding: Any | None
    message: str


Convert = Callable[[Version], Awaitable[Any]]
"""Brings the objects of a request into a version; StatusError when the webhook that does it fails."""


async def invocations(
    candidates: Iterable[Candidate[Hook[E]]], request: AdmissionRequest, world: World, convert: Convert, *, params_first: bool
) -> AsyncIterator[Invocation[E] | ConfigurationError[E]]:
    """Invocations of policies, and configuration errors, in the order of policies and bindings.

    `params_first`: the objects are converted when there are params, and a failure is the binding's; otherwise before, and the policy's.
    """
    for candidate in candidates:
        hook = candidate.owner
        try:
            version = await candidate.match(request, world)
            if version is None:
                continue
            resource = params.resource_of(hook.policy.spec.paramKind, world.catalogue)
        except (StatusError, ParamsError) as error:
            yield ConfigurationError(hook, None, str(error))
            continue
        for bound in hook.bindings:
            try:
                if bound.criteria is not None and await match(bound.criteria, request, world) is None:
                    continue
                if not params_first and (problem := await _conversion_problem(request, version, convert)):
                    yield ConfigurationError(hook, None, problem)
                    continue
                objects = await params.collect(resource, bound.binding.spec.paramRef, request.namespace, world)
            except (StatusError, ParamsError) as error:
                yield ConfigurationError(hook, bound.binding, str(error))
                continue
            if params_first and objects and (problem := await _conversion_problem(request, version, convert)):
                yield ConfigurationError(hook, bound.binding, f"failed to convert object version: {problem}")
            else:
                yield Invocation(hook, bound.binding, version, objects, resource)


async def _conversion_problem(request: AdmissionRequest, version: Version, convert: Convert) -> str:
    """Why the objects of a request cannot be had in a version; "" when they can."""
    if request.resource.converter is None or version.resource is request.resource:
        return ""
    try:
        await convert(version)
    except StatusError as error:
        return str(error)
    return ""
