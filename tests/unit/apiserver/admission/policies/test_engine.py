"""The parts of policies that are pure: budgets, decisions, params, reinvocation, access to params."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pilothouse.api import catalogue
from pilothouse.api.expressions.admission import Compiled, Compiler
from pilothouse.api.types.admissionregistration_v1 import ParamKind, ParamRef, Validation
from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.apiserver.admission.expressions import evaluation
from pilothouse.apiserver.admission.expressions.conditions import ConditionsFailed, matches
from pilothouse.apiserver.admission.expressions.evaluation import OUT_OF_BUDGET, BudgetExceeded, Evaluation, TooLarge, in_thread_if_costly
from pilothouse.apiserver.admission.metrics import AdmissionMetrics
from pilothouse.apiserver.admission.policies import counting, params
from pilothouse.apiserver.admission.policies.decisions import Annotation, Decision, Result, Verdict, annotated, decided, message_of
from pilothouse.apiserver.admission.policies.params import ParamsError
from pilothouse.apiserver.admission.reinvocation import Reinvocations
from pilothouse.machinery.meta_v1 import LabelSelector, ObjectMeta

COMPILER = Compiler()
TWENTY = "[1, 2, 3, 4].all(a, a > 0)"


def compiled(expression: str, purpose: str = "validation") -> Compiled:
    return COMPILER.compile(expression, purpose)


def cost_of(expression: str) -> int:
    program = compiled(expression).program
    assert program is not None
    return program.evaluate({}).cost


def test_expressions_share_a_budget() -> None:
    one = cost_of(TWENTY)
    evaluated = Evaluation({}, {}, 2 * one)
    assert [evaluated.evaluate(compiled(TWENTY)).value for _ in range(2)] == [True, True]
    assert evaluated.budget == 0
    with pytest.raises(BudgetExceeded, match=OUT_OF_BUDGET):
        evaluated.evaluate(compiled(TWENTY))


def test_a_variable_costs_once_whoever_needs_it() -> None:
    compiler = Compiler()
    variables = {"v": compiler.add_variable("v", TWENTY)}
    use = compiler.compile("variables.v", "validation")
    evaluated = Evaluation({}, variables, 1000)
    evaluated.evaluate(use)
    first = 1000 - evaluated.budget
    evaluated.evaluate(use)
    assert 1000 - evaluated.budget - first == first - cost_of(TWENTY)


def test_a_variable_that_fails_is_not_evaluated_again_and_names_itself() -> None:
    compiler = Compiler()
    variables = {"v": compiler.add_variable("v", "1 / 0"), "broken": compiler.add_variable("broken", "foo")}
    evaluated = Evaluation({}, variables, 1000)
    error = evaluated.evaluate(compiler.compile("variables.v == 1", "validation")).error
    assert error == """expression 'variables.v == 1' resulted in error: composited variable "v" fails to evaluate: division by zero"""
    assert (
        'composited variable "broken" fails to compile: compilation failed: '
        in evaluated.evaluate(compiler.compile("variables.broken == 1", "validation")).error
    )
    assert evaluated.evaluate(compiler.compile("variables.v == 1 || true", "validation")).value is True


def test_what_costs_much_is_done_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "SMALL", 5)
    with pytest.raises(TooLarge):
        Evaluation({}, {}, 1000, is_small=True).evaluate(compiled(TWENTY))
    asked: list[bool] = []

    def evaluate(*, is_small: bool) -> Any:
        asked.append(is_small)
        return Evaluation({}, {}, 1000, is_small=is_small).evaluate(compiled(TWENTY)).value

    assert asyncio.run(in_thread_if_costly(evaluate)) is True
    assert asked == [True, False]


def test_the_budget_that_is_spent_by_messages_denies_what_was_right() -> None:
    right = decided(Validation(expression="true"), Result(True), None, fails=True, spent=OUT_OF_BUDGET)
    assert (right.denies, right.message) == (True, f"failed messageExpression: {OUT_OF_BUDGET}")
    assert not decided(Validation(expression="true"), Result(True), None, fails=False, spent=OUT_OF_BUDGET).denies


@pytest.mark.parametrize(
    ("result", "fails", "expected"),
    [
        pytest.param(Result(True), True, (False, "", ""), id="true"),
        pytest.param(Result(False), True, (True, "failed expression: x", "Invalid"), id="false"),
        pytest.param(Result(False), False, (True, "failed expression: x", "Invalid"), id="false, failures ignored"),
        pytest.param(Result(None, "boom"), True, (True, "boom", ""), id="an error"),
        pytest.param(Result(None, "boom"), False, (False, "boom", ""), id="an error that is ignored"),
    ],
)
def test_decisions(result: Result, fails: bool, expected: tuple[bool, str, str]) -> None:
    decision = decided(Validation(expression=" x "), result, None, fails=fails)
    assert (decision.denies, decision.message, decision.reason) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(Result(" text "), "text", id="a text"),
        pytest.param(Result("  "), "message", id="blank"),
        pytest.param(Result("a\nb"), "message", id="two lines"),
        pytest.param(Result("a\n"), "a", id="a line break at the end"),
        pytest.param(Result("x" * 5121), "message", id="too long"),
        pytest.param(Result("ä" * 2561), "message", id="too many bytes"),
        pytest.param(Result(None, "boom"), "message", id="an error"),
        pytest.param(None, "message", id="none"),
    ],
)
def test_the_message_of_a_false_validation(said: Result | None, expected: str) -> None:
    assert message_of(Validation(expression="x", message=" message "), said) == expected


@pytest.mark.parametrize(
    ("result", "fails", "expected"),
    [
        pytest.param(Result(" v "), True, ("v", ""), id="a value"),
        pytest.param(Result(" "), True, ("", ""), id="blank"),
        pytest.param(Result(None), True, ("", ""), id="null"),
        pytest.param(Result(None, "boom"), True, ("", "boom"), id="an error"),
        pytest.param(Result(None, "boom"), False, ("", ""), id="an error that is ignored"),
        pytest.param(
            Result(1),
            False,
            ("", "valueExpression 'e' resulted in unsupported return type: int. Return type must be either string or null."),
            id="a number",
        ),
    ],
)
def test_audit_annotations(result: Result, fails: bool, expected: tuple[str, str]) -> None:
    annotation = annotated("k", "e", result, fails=fails)
    assert (annotation.value, annotation.error) == expected


@pytest.mark.parametrize(
    ("conditions", "fails", "expected"),
    [
        pytest.param([], True, True, id="none"),
        pytest.param(["true", "true"], True, True, id="true"),
        pytest.param(["true", "false"], True, False, id="one is false"),
        pytest.param(["1 / 0 == 1", "false"], True, False, id="false goes before an error"),
        pytest.param(["1 / 0 == 1", "true"], False, False, id="an error that is ignored"),
        pytest.param(["1 / 0 == 1"], True, "expression '1 / 0 == 1' resulted in error: division by zero", id="an error"),
        pytest.param(
            ["1 / 0 == 1", "1 / 0 == 1"], True, "expression '1 / 0 == 1' resulted in error: division by zero", id="one error twice"
        ),
        pytest.param(
            ["1 / 0 == 1", "2 / 0 == 1"],
            True,
            "[expression '1 / 0 == 1' resulted in error: division by zero, expression '2 / 0 == 1' resulted in error: division by zero]",
            id="two errors",
        ),
        pytest.param([f"{TWENTY} && {TWENTY}"], True, OUT_OF_BUDGET, id="too costly"),
        pytest.param([f"{TWENTY} && {TWENTY}"], False, False, id="too costly and ignored"),
    ],
)
def test_match_conditions(conditions: list[str], fails: bool, expected: bool | str) -> None:
    evaluated = Evaluation({}, {}, cost_of(TWENTY))
    programs = [compiled(condition, "condition") for condition in conditions]
    if isinstance(expected, bool):
        assert matches(programs, evaluated, fails=fails) is expected
        return
    with pytest.raises(ConditionsFailed) as failed:
        matches(programs, evaluated, fails=fails)
    assert str(failed.value) == expected


@dataclass
class Objects:
    """A World of ConfigMaps."""

    maps: Sequence[ConfigMap] = ()
    catalogue: Any = field(default_factory=catalogue.built_in)

    async def get(self, kind: type[Any], name: str, namespace: str = "") -> Any:
        wanted = (namespace, name)
        return next((each for each in self.maps if (each.metadata.namespace, each.metadata.name) == wanted), None)

    async def list(self, kind: type[Any], namespace: str = "") -> list[Any]:
        return [each for each in self.maps if each.metadata.namespace == namespace]


MAPS = [
    ConfigMap(metadata=ObjectMeta(name="a", namespace="n", labels={"kind": "param"})),
    ConfigMap(metadata=ObjectMeta(name="b", namespace="n", labels={"kind": "param"})),
    ConfigMap(metadata=ObjectMeta(name="a", namespace="m")),
]
LABELLED = LabelSelector(matchLabels={"kind": "param"})


@pytest.mark.parametrize(
    ("kind", "reference", "namespace", "expected"),
    [
        pytest.param("ConfigMap", ParamRef(name="a"), "n", ["n/a"], id="by name in the request's namespace"),
        pytest.param("ConfigMap", ParamRef(name="a", namespace="m"), "n", ["m/a"], id="by name in a namespace"),
        pytest.param("ConfigMap", ParamRef(selector=LABELLED), "n", ["n/a", "n/b"], id="by selector"),
        pytest.param("ConfigMap", ParamRef(selector=LABELLED), "m", [], id="none in that namespace"),
        pytest.param("ConfigMap", ParamRef(selector=LabelSelector()), "n", ["n/a", "n/b"], id="all"),
        pytest.param("ConfigMap", ParamRef(name="z", parameterNotFoundAction="Allow"), "n", [], id="missing is allowed"),
        pytest.param("ConfigMap", ParamRef(name="z", parameterNotFoundAction="Deny"), "n", params.NOT_FOUND, id="missing is denied"),
        pytest.param("ConfigMap", ParamRef(name="a"), "", params.NO_NAMESPACE, id="a cluster-scoped object"),
        pytest.param("Node", ParamRef(name="a", namespace="n"), "n", params.NAMESPACE_OF_CLUSTER_SCOPED, id="a cluster-scoped kind"),
        pytest.param("ConfigMap", None, "n", [None], id="no paramRef"),
        pytest.param("", ParamRef(name="a"), "n", [None], id="no paramKind"),
        pytest.param("Nothing", None, "n", "failed to find resource referenced by paramKind: '/v1, Kind=Nothing'", id="unknown"),
    ],
)
def test_params_of_a_binding(kind: str, reference: ParamRef | None, namespace: str, expected: list[str | None] | str) -> None:
    world: Any = Objects(MAPS)

    def collected() -> Sequence[Any]:
        resource = params.resource_of(ParamKind(apiVersion="v1", kind=kind) if kind else None, world.catalogue)
        return asyncio.run(params.collect(resource, reference, namespace, world))

    if isinstance(expected, str):
        with pytest.raises(ParamsError) as failed:
            collected()
        assert str(failed.value) == expected
    else:
        assert [each and f"{each.metadata.namespace}/{each.metadata.name}" for each in collected()] == expected


def test_a_policy_that_may_be_asked_again_is_when_something_changed_after_it() -> None:
    first, second = ("p", "b", "", ""), ("q", "b", "", "")
    state = Reinvocations()
    state.begin("object", is_second=False)
    state.invoked(first)
    state.require()
    state.invoked(second)
    state.end("changed")
    state.begin("changed", is_second=True)
    assert (state.is_due(first), state.is_due(second)) == (True, False)


def test_all_are_asked_again_when_another_plugin_changed_the_object_between_the_passes() -> None:
    key = ("p", "b", "", "")
    state = Reinvocations()
    state.begin("object", is_second=False)
    state.invoked(key)
    state.end("object")
    state.begin("changed by another", is_second=True)
    assert state.is_due(key)


def test_metrics_tell_what_policies_did() -> None:
    metrics, names = AdmissionMetrics(), ("p", "b")
    decisions = [
        Decision(True, "failed expression: x", "Invalid"),
        Decision(False, "compilation failed: x", is_error=True),
        Decision(True, OUT_OF_BUDGET, is_error=True),
        Decision(),
    ]
    counting.count_verdict(metrics, names, ["Warn", "Audit"], Verdict(decisions, [Annotation("k", error="boom"), Annotation("l")]), 0.002)
    counting.count_mutation(metrics, names, "", 0.002)
    counting.count_mutation(metrics, names, "compilation failed: x", 0.002)
    checks = [("invalid_error", "warn"), ("invalid_error", "audit"), ("compile_error", "allow")]
    checks += [("out_of_budget", "warn"), ("out_of_budget", "audit"), ("invalid_error", "deny")]
    assert metrics.validation_checks.values == {(*names, *labels): 1 for labels in checks}
    assert metrics.mutation_checks.values == {(*names, "no_error"): 1, (*names, "compile_error"): 1}
    assert {family.name for family in metrics.collect()} == {
        "apiserver_validating_admission_policy_check",
        "apiserver_validating_admission_policy_check_duration_seconds",
        "apiserver_mutating_admission_policy_check",
        "apiserver_mutating_admission_policy_check_duration_seconds",
    }
