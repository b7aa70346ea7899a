"""ValidatingAdmissionPolicy on a request: every binding that matches, with each of its params; then warnings, audit, or a refusal.

Upstream: policy/validating (plugin.go, validator.go, dispatcher.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from pilothouse.api.expressions.admission import Compiled
from pilothouse.api.types.admissionregistration_v1 import ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding
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
from pilothouse.apiserver.admission.policies.counting import count_verdict
from pilothouse.apiserver.admission.policies.decisions import NOTHING, Annotation, Decision, Verdict, annotated, decided, failure
from pilothouse.apiserver.admission.policies.invocations import ConfigurationError, Hook, invocations
from pilothouse.machinery.errors import StatusError, forbidden
from pilothouse.machinery.meta_v1 import StatusCause

KIND = "ValidatingAdmissionPolicy"
CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}
FAILURES_LIMIT = 50
"""Failures of validations that one audit annotation tells of."""
ANNOTATION_LIMIT_BYTES = 10 * 1024
FAILURE_ANNOTATION = "validation.policy.admission.k8s.io/validation_failure"


class Validator(CompiledPolicy[ValidatingAdmissionPolicy]):
    """A policy with its validations, their messages and its audit annotations."""

    @cached_property
    def validations(self) -> Sequence[Compiled]:
        """The expressions of the policy's validations, compiled, in their order."""
        return [self.compiled("validation", each.expression) for each in self.policy.spec.validations]

    @cached_property
    def messages(self) -> Sequence[Compiled | None]:
        """The message expression of each validation, None where it has none; empty when no validation has one."""
        expressions = [each.messageExpression for each in self.policy.spec.validations]
        if not any(expressions):
            return ()
        return [self.compiled("messageExpression", each) if each else None for each in expressions]

    @cached_property
    def annotations(self) -> Sequence[Compiled]:
        """The value expressions of the policy's audit annotations, compiled, in their order."""
        return [self.compiled("valueExpression", each.valueExpression) for each in self.policy.spec.auditAnnotations]

    def verdict(self, values: RequestVariables, *, is_small: bool) -> Verdict:
        """Result of the policy for a request."""
        try:
            if not self.applies(values, is_small=is_small):
                return NOTHING
        except ConditionsFailed as error:
            return failure(str(error), fails=self.fails)
        try:
            decisions = self._decisions(Evaluation(values.all, self.variables, BUDGET, is_small=is_small), values)
            if not self.annotations:
                return Verdict(decisions) if decisions else NOTHING
            return Verdict(decisions, self._annotations(Evaluation(values.unauthorized, self.variables, BUDGET, is_small=is_small)))
        except BudgetExceeded as error:
            return failure(str(error), fails=self.fails)

    def _decisions(self, evaluation: Evaluation, values: RequestVariables) -> Sequence[Decision]:
        """The decisions; none when all validations are true and no message costs anything."""
        results = [evaluation.evaluate(each) for each in self.validations]
        if not self.messages and all(result.value is True for result in results):
            return ()
        messages, spent = self._messages(evaluation, values.unauthorized)
        return [
            decided(validation, result, messages[index] if messages else None, fails=self.fails, spent=spent)
            for index, (validation, result) in enumerate(zip(self.policy.spec.validations, results, strict=True))
        ]

    def _messages(self, before: Evaluation, values: Mapping[str, Any]) -> tuple[list[Any], str]:
        """The results of message expressions, within what validations have left of the budget; and why there are none."""
        if not self.messages:
            return [], ""
        evaluation = before.continued(values)
        try:
            return evaluation.all(self.messages), ""
        except BudgetExceeded as error:
            return [], str(error)

    def _annotations(self, evaluation: Evaluation) -> list[Annotation]:
        return [
            annotated(annotation.key, annotation.valueExpression, evaluation.evaluate(compiled), fails=self.fails)
            for annotation, compiled in zip(self.policy.spec.auditAnnotations, self.annotations, strict=True)
        ]


@dataclass(slots=True)
class Refusal:
    """Why a request is denied: the policy, its binding ("" when the policy itself could not be configured), message and reason."""

    policy: str
    binding: str
    message: str
    reason: str = ""


@dataclass(slots=True)
class Outcome:
    """Results of all policies for one request, in order."""

    refusals: list[Refusal] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    annotations: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """By policy and key: different values of several bindings or params."""

    def add_error(self, policy: ValidatingAdmissionPolicy, binding: ValidatingAdmissionPolicyBinding | None, message: str) -> None:
        """A policy or its binding cannot be configured: that denies unless failures are ignored."""
        if policy.spec.failurePolicy == "Ignore":
            return
        part = "policy" if binding is None else "binding"
        name = "" if binding is None else binding.metadata.name
        self.refusals.append(Refusal(policy.metadata.name, name, f"failed to configure {part}: {message}"))

    def add(self, policy: ValidatingAdmissionPolicy, binding: ValidatingAdmissionPolicyBinding, verdict: Verdict) -> None:
        """Add the result of a policy under a binding."""
        for index, decision in enumerate(verdict.decisions):
            if decision.denies:
                self._add_denied(policy.metadata.name, binding, decision, index)
        for annotation in verdict.annotations:
            if annotation.error:
                self.refusals.append(Refusal(policy.metadata.name, binding.metadata.name, annotation.error))
            elif annotation.value:
                values = self.annotations.setdefault(policy.metadata.name, {}).setdefault(annotation.key, [])
                value = annotation.value.encode()[:ANNOTATION_LIMIT_BYTES].decode(errors="ignore")
                if value not in values:
                    values.append(value)

    def _add_denied(self, policy: str, binding: ValidatingAdmissionPolicyBinding, decision: Decision, index: int) -> None:
        name, actions = binding.metadata.name, binding.spec.validationActions
        for action in actions:
            if action == "Deny":
                self.refusals.append(Refusal(policy, name, decision.message, decision.reason))
            elif action == "Warn":
                self.warnings.append(f"Validation failed for {KIND} '{policy}' with binding '{name}': {decision.message}")
            else:
                failure = {"message": decision.message, "policy": binding.spec.policyName, "binding": name, "expressionIndex": index}
                self.failures.append({**failure, "validationActions": actions})

    def audit_annotations(self) -> dict[str, str]:
        """Audit annotations of all policies."""
        said = {f"{policy}/{key}": ", ".join(values) for policy, keys in self.annotations.items() for key, values in keys.items()}
        if self.failures:
            said[FAILURE_ANNOTATION] = msgspec.json.encode(self.failures[:FAILURES_LIMIT]).decode()
        return said


def refusal_of(request: AdmissionRequest, refusal: Refusal) -> StatusError:
    """The answer to a request that is denied: the first refusal, with its reason and that reason's code."""
    binding = f" with binding '{refusal.binding}'" if refusal.binding else ""
    message = f"{KIND} '{refusal.policy}'{binding} denied request: {refusal.message}"
    error = forbidden(request.served.plural, request.served.group, request.shown_name, message)
    reason = refusal.reason or "Invalid"
    error.status.reason, error.status.code = reason, CODES.get(reason, 422)
    assert error.status.details is not None
    error.status.details.causes = [*error.status.details.causes, StatusCause(message=message)]
    return error


async def judge(candidates: Sequence[Candidate[Hook[Validator]]], request: AdmissionRequest, world: World) -> Outcome:
    """Evaluate all policies for a request; refusing it is up to the caller."""
    outcome, seen = Outcome(), RequestValues(request, world)
    async for invocation in invocations(candidates, request, world, seen.convert, params_first=True):
        if isinstance(invocation, ConfigurationError):
            outcome.add_error(invocation.hook.policy, invocation.binding, invocation.message)
            continue
        for param in invocation.params:
            values = await seen.variables(invocation.version, param, invocation.param_resource)
            started = world.clock.monotonic()
            verdict = await in_thread_if_costly(invocation.hook.evaluator.verdict, values)
            if verdict is not NOTHING:
                outcome.add(invocation.hook.policy, invocation.binding, verdict)
                names, actions = (
                    (invocation.hook.policy.metadata.name, invocation.binding.metadata.name),
                    invocation.binding.spec.validationActions,
                )
                count_verdict(world.metrics, names, actions, verdict, world.clock.monotonic() - started)
    return outcome
