"""The policies of one kind with their bindings, as the watch caches show them: made anew when one of them has changed.

- A policy without bindings, and a binding without its policy, have no effect.
- A policy that did not change keeps its compiled expressions.

Upstream: policy/generic/policy_source.go, which looks once a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from pilothouse.apiserver.admission.matching.criteria import of_resources
from pilothouse.apiserver.admission.matching.index import Candidate, Index
from pilothouse.apiserver.admission.matching.rules import POLICY_KINDS
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.admission.policies.invocations import Bound, Hook

E = TypeVar("E")


class Source(Generic[E]):
    """`compile` makes the evaluator of a policy; it must be cheap: expressions are compiled when they are needed first."""

    def __init__(self, policy: type[Any], binding: type[Any], compile: Callable[[Any], E]) -> None:
        self._policy, self._binding, self._compile = policy, binding, compile
        self._revisions = (-1, -1)
        self._evaluators: dict[str, tuple[str, E]] = {}
        self._index: Index[Hook[E]] | None = None

    async def candidates(self, request: AdmissionRequest, world: World) -> Sequence[Candidate[Hook[E]]]:
        """The policies whose rules select a request, in the order of their names; none at an API level that has no such policies."""
        if self._is_outdated(world):
            if world.catalogue.by_kind(*self._policy.GVK) is None:
                return ()
            await self._refresh(world)
        assert self._index is not None
        return self._index.candidates(request)

    def may_select(self, request: AdmissionRequest, world: World) -> bool:
        """Whether there may be such policies. True as long as that is not known."""
        if self._index is None or self._is_outdated(world):
            return world.catalogue.by_kind(*self._policy.GVK) is not None
        return bool(self._index.candidates(request))

    def _is_outdated(self, world: World) -> bool:
        return (world.changed(self._policy), world.changed(self._binding)) != self._revisions or self._index is None

    async def _refresh(self, world: World) -> None:
        policies, bindings = await world.list(self._policy), await world.list(self._binding)
        self._revisions = world.changed(self._policy), world.changed(self._binding)
        hooks = list(self._hooks(policies, bindings))
        self._evaluators = {hook.policy.metadata.name: (hook.policy.metadata.resourceVersion, hook.evaluator) for hook in hooks}
        self._index = Index([(hook, of_resources(hook.policy.spec.matchConstraints)) for hook in hooks], world.catalogue, POLICY_KINDS)

    def _hooks(self, policies: Iterable[Any], bindings: Iterable[Any]) -> Iterable[Hook[E]]:
        bound: dict[str, list[Bound]] = {}
        for binding in bindings:
            resources = binding.spec.matchResources
            criteria = None if resources is None else of_resources(resources)
            bound.setdefault(binding.spec.policyName, []).append(Bound(binding, criteria))
        for policy in policies:
            name = policy.metadata.name
            if name in bound:
                yield Hook(policy, bound[name], self._evaluator(policy))

    def _evaluator(self, policy: Any) -> E:
        version, evaluator = self._evaluators.get(policy.metadata.name, ("", None))
        if evaluator is not None and version == policy.metadata.resourceVersion:
            return evaluator
        return self._compile(policy)
