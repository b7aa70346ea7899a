"""MutatingAdmissionPolicy on a request: the mutations of every binding that matches, with each of its params, in order.

Upstream: policy/mutating (compilation.go, dispatcher.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pilothouse.api.expressions.admission import Compiled
from pilothouse.api.types.admissionregistration_v1 import MutatingAdmissionPolicy, Mutation
from pilothouse.apiserver.admission.expressions.activation import RequestValues, RequestVariables
from pilothouse.apiserver.admission.expressions.conditions import ConditionsFailed
from pilothouse.apiserver.admission.expressions.evaluation import (
    BUDGET,
    BudgetExceeded,
    Evaluation,
    in_thread_if_costly,
)
from pilothouse.apiserver.admission.matching.index import Candidate
from pilothouse.apiserver.admission.plugin import AdmissionRequest, World
from pilothouse.apiserver.admission.policies.compiled import CompiledPolicy
from pilothouse.apiserver.admission.policies.counting import count_mutation
from pilothouse.apiserver.admission.policies.invocations import ConfigurationError, Hook, Invocation, invocations
from pilothouse.apiserver.admission.policies.patches import MutationFailed, applied, patched
from pilothouse.apiserver.admission.policies.schemas import VersionedObject
from pilothouse.apiserver.admission.reinvocation import Reinvocations
from pilothouse.machinery.errors import StatusError, forbidden
from pilothouse.machinery.meta_v1 import StatusCause
from pilothouse.machinery.patch.schema import Type
from pilothouse.machinery.quoting import go_quoted


class Mutator(CompiledPolicy[MutatingAdmissionPolicy]):
    """A policy with its mutations."""

    @cached_property
    def mutations(self) -> Sequence[Compiled]:
        """The policy's mutations, compiled, in their order."""
        return list(map(self._mutation, self.policy.spec.mutations))

    def _mutation(self, mutation: Mutation) -> Compiled:
        if mutation.jsonPatch is not None:
            return self.compiled("jsonPatch", mutation.jsonPatch.expression)
        assert mutation.applyConfiguration is not None
        return self.compiled("applyConfiguration", mutation.applyConfiguration.expression)

    def mutated(self, index: int, obj: dict[str, Any], kind: Type | None, values: Mapping[str, Any], *, is_small: bool) -> dict[str, Any]:
        """The object after one of its mutations; MutationFailed when that cannot be made."""
        compiled = self.mutations[index]
        if compiled.program is None:
            raise MutationFailed(compiled.problem)
        try:
            result = Evaluation(values, self.variables, BUDGET, is_small=is_small).evaluate(compiled)
        except BudgetExceeded as error:
            raise MutationFailed(str(error)) from error
        if result.error:
            raise MutationFailed(result.error)
        if self.policy.spec.mutations[index].jsonPatch is not None:
            return patched(obj, result.value)
        return applied(obj, result.value, kind)


@dataclass(frozen=True, slots=True)
class MutationError:
    """A policy, or its binding, that could not change the request's object: `binding` "" when the policy could not be configured."""

    policy: str
    binding: str
    message: str
    reason: str = ""

    def __str__(self) -> str:
        if self.binding:
            return f"policy '{self.policy}' with binding '{self.binding}' denied request: {self.message}"
        return f"policy {go_quoted(self.policy)} denied request: {self.message}"


def refusal_of(request: AdmissionRequest, errors: Sequence[MutationError]) -> StatusError:
    """The answer to a request of which policies with failurePolicy Fail could not change the object: the first error is its message."""
    refusal = forbidden(request.served.plural, request.served.group, request.shown_name, "admission request denied by policy")
    first, details = errors[0], refusal.status.details
    assert details is not None
    refusal.status.message = str(first)
    refusal.status.reason = first.reason or refusal.status.reason
    details.causes = [*details.causes, *(StatusCause(message=str(error)) for error in errors)]
    return refusal


class Mutations:
    """Policies that change the object of one request, in one pass over the mutating plugins."""

    def __init__(self, request: AdmissionRequest, world: World, reinvocations: Reinvocations, *, is_second: bool) -> None:
        self._request, self._world = request, world
        self._reinvocations, self._is_second = reinvocations, is_second
        self._seen = RequestValues(request, world)
        self.errors: list[MutationError] = []
        self.has_changed = False

    async def run(self, candidates: Sequence[Candidate[Hook[Mutator]]]) -> None:
        """Change `request.object`. Errors of policies with failurePolicy Ignore are forgotten; StatusError where the request ends."""
        each_in_turn = invocations(candidates, self._request, self._world, self._seen.convert, params_first=False)
        outcomes = [each async for each in each_in_turn]
        errors = [each for each in outcomes if isinstance(each, ConfigurationError)]
        for error in errors:
            part = "policy" if error.binding is None else "binding"
            self._add_error(error.hook, error.binding, f"failed to configure {part}: {error.message}")
        invoked = [each for each in outcomes if isinstance(each, Invocation) and each.params]
        if invoked:
            self._reinvocations.begin(self._request.object, is_second=self._is_second)
            for invocation in invoked:
                for param in invocation.params:
                    await self._invoke(invocation, param)
            if self.has_changed:
                self._reinvocations.require()
            self._reinvocations.end(self._request.object)

    async def _invoke(self, invocation: Invocation[Mutator], param: Any) -> None:
        mutator = invocation.hook.evaluator
        values = await self._variables(invocation, param)
        try:
            if not await in_thread_if_costly(mutator.applies, values):
                return
        except ConditionsFailed as error:
            self._add_error(invocation.hook, invocation.binding, str(error), "Invalid")
            return
        key = key_of(invocation, param)
        if self._is_second and not self._reinvocations.is_due(key):
            return
        if await self._mutate(invocation, param):
            self._reinvocations.require()
        if mutator.policy.spec.reinvocationPolicy == "IfNeeded":
            self._reinvocations.invoked(key)

    async def _mutate(self, invocation: Invocation[Mutator], param: Any) -> bool:
        """Apply all mutations of a policy in order, also after one has failed, as upstream; whether they have changed anything."""
        if self._request.object is None:
            return False
        versioned, mutator = VersionedObject(self._request, invocation.version), invocation.hook.evaluator
        names = (mutator.policy.metadata.name, invocation.binding.metadata.name)
        before = current = (await self._variables(invocation, param)).all["object"]
        for index, mutation in enumerate(mutator.policy.spec.mutations):
            values = {**(await self._variables(invocation, param)).all, "object": current}
            started, problem = self._world.clock.monotonic(), ""
            try:
                result = await in_thread_if_costly(mutator.mutated, index, current, versioned.type, values)
                if result is not current:
                    current = versioned.replace(result, strict=mutation.jsonPatch is not None)
                self.has_changed = True  # upstream does not look whether it did
            except MutationFailed as error:
                problem = str(error)
                self._add_error(invocation.hook, invocation.binding, problem, "Invalid")
            count_mutation(self._world.metrics, names, problem, self._world.clock.monotonic() - started)
        await versioned.store()
        if current is before or current == before:
            return False
        self._seen = RequestValues(self._request, self._world)
        return True

    async def _variables(self, invocation: Invocation[Mutator], param: Any) -> RequestVariables:
        return await self._seen.variables(invocation.version, param, invocation.param_resource)

    def _add_error(self, hook: Hook[Mutator], binding: Any, message: str, reason: str = "") -> None:
        if hook.evaluator.fails:
            self.errors.append(MutationError(hook.policy.metadata.name, "" if binding is None else binding.metadata.name, message, reason))


def key_of(invocation: Invocation[Mutator], param: Any) -> tuple[str, ...]:
    """Identity of an invocation, the same in both passes."""
    names = ("", "") if param is None else (param.metadata.namespace, param.metadata.name)
    return (invocation.hook.policy.metadata.name, invocation.binding.metadata.name, *names)
