"""Compiled expressions that both kinds of policies have: variables and match conditions.

They are compiled at the first request, not when the policy is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Generic, TypeVar

from pilothouse.api.expressions.admission import Compiled, Compiler
from pilothouse.api.types.admissionregistration_v1 import MutatingAdmissionPolicy, ValidatingAdmissionPolicy
from pilothouse.apiserver.admission.expressions.activation import RequestVariables
from pilothouse.apiserver.admission.expressions.conditions import matches
from pilothouse.apiserver.admission.expressions.evaluation import CONDITIONS_BUDGET, Evaluation

Policy = TypeVar("Policy", MutatingAdmissionPolicy, ValidatingAdmissionPolicy)


class CompiledPolicy(Generic[Policy]):
    """A policy with its variables and match conditions compiled. `fails`: its failurePolicy is Fail."""

    def __init__(self, policy: Policy) -> None:
        self.policy: Policy = policy
        self.fails = policy.spec.failurePolicy != "Ignore"
        self._compiler = Compiler(params=policy.spec.paramKind is not None)

    @cached_property
    def variables(self) -> Mapping[str, Compiled]:
        """Variables by name, in their order; each may use earlier ones."""
        return {each.name: self._compiler.add_variable(each.name, each.expression) for each in self.policy.spec.variables}

    @cached_property
    def conditions(self) -> Sequence[Compiled]:
        """Its match conditions."""
        return [self.compiled("condition", each.expression) for each in self.policy.spec.matchConditions]

    def compiled(self, purpose: str, expression: str) -> Compiled:
        """An expression, once what it may use is declared."""
        _ = self.variables
        return self._compiler.compile(expression, purpose)

    def applies(self, values: RequestVariables, *, is_small: bool) -> bool:
        """Whether its match conditions are true; ConditionsFailed when that cannot be said and the failure policy is Fail."""
        if not self.conditions:
            return True
        evaluation = Evaluation(values.of_conditions, self.variables, CONDITIONS_BUDGET, is_small=is_small)
        return matches(self.conditions, evaluation, fails=self.fails)
