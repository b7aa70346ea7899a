"""Programs: budgets, cancellation, variables that are computed when needed, limits of nesting, environments by version."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pilothouse.cel import kubernetes, types, work
from pilothouse.cel.environment import Environment, ProgramError
from pilothouse.cel.errors import CompileError, CostLimitExceeded, EvaluationError, Interrupted
from pilothouse.cel.types import ObjectType
from tests.unit.cel.cases import ACTIVATION, VARIABLES

ENVIRONMENT = kubernetes.stored_expressions().extended(VARIABLES)
NUMBERS = {"l": list(range(1000))}


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("l.all(x, l.all(y, l.all(z, x + y + z >= 0)))", id="nested loops"),
        pytest.param("l.map(x, l.map(y, l.map(z, [x, y, z]))).size() > 0", id="lists of lists"),
        pytest.param("l.exists(x, l.exists(y, l.exists(z, x + y + z < 0)))", id="searches that find nothing"),
        pytest.param("l.exists_one(x, l.exists_one(y, l.exists_one(z, x == y && y == z)))", id="counts"),
        pytest.param("l.filter(x, l.filter(y, l.filter(z, z > y).size() > 0).size() > 0).size() > 0", id="filters"),
    ],
)
def test_a_bomb_costs_at_most_its_budget(expression: str) -> None:
    program = ENVIRONMENT.compile(expression)
    with pytest.raises(CostLimitExceeded, match="operation cancelled: actual cost limit exceeded") as refused:
        program.evaluate(NUMBERS, budget=10_000)
    assert 10_000 < refused.value.cost < 11_000


def test_a_text_that_doubles_ends_at_the_budget() -> None:
    doubled = "".join(f"[{name} + {name}].map(v{depth}, " for depth, name in enumerate(["s", *(f"v{depth}" for depth in range(40))]))
    doubled += "v40" + ")" * 41
    with pytest.raises(CostLimitExceeded):
        ENVIRONMENT.compile(doubled).evaluate(ACTIVATION, budget=100_000)


@pytest.mark.parametrize("expression", ["l.all(x, x > 0) || true", "false && l.all(x, x > 0)", "l.exists(x, x < 0) || b"])
def test_a_spent_budget_is_not_absorbed(expression: str) -> None:
    program = ENVIRONMENT.compile(expression)
    if expression.startswith("false"):
        assert program.evaluate({**ACTIVATION, **NUMBERS}, budget=10).value is False
        return
    with pytest.raises(CostLimitExceeded):
        program.evaluate({**ACTIVATION, "l": list(range(1, 1000))}, budget=10)


def _doubled(inner: str, use: str, times: int = 30) -> str:
    """An expression that uses a value with 2**times items in it, made of the list by `inner`, whose {0} is the value before."""
    names = ["l", *(f"v{depth}" for depth in range(times))]
    opened = "".join(f"[{inner.format(name)}].map(v{depth}, " for depth, name in enumerate(names[:-1]))
    return opened + use.format(names[-1]) + ")" * times


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(_doubled("{0} + {0}", "{0}.size()"), id="lists that are added"),
        pytest.param(_doubled("[{0}, {0}]", "{0} == {0}"), id="lists that are compared"),
        pytest.param(_doubled("[{0}, {0}]", "{0} != {0}"), id="lists that are told apart"),
        pytest.param(_doubled("[{0}, {0}]", "{0} in [{0}]"), id="lists that are looked for"),
        pytest.param(_doubled('{{"a": {0}, "b": {0}}}', "{0} == {0}"), id="maps that are compared"),
        pytest.param(_doubled("[{0}, {0}]", "'%s'.format([{0}])"), id="lists that are written"),
        pytest.param(_doubled("[{0}, {0}]", "{0}.flatten(40)", 20) + ".map(v, v.size() > 0)", id="lists that are flattened"),
        pytest.param(_doubled("[{0}, {0}]", "[?dyn({0})]"), id="lists that a message shows"),
    ],
)
def test_what_costs_do_not_count_is_bounded_too(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "LIMIT", 100_000)
    with pytest.raises(CostLimitExceeded):
        ENVIRONMENT.compile(expression.replace("[?", "[dyn(1), ?")).evaluate(ACTIVATION)


def test_large_lists_are_compared_and_added_within_the_bound() -> None:
    items = list(range(300_000))
    program = ENVIRONMENT.compile("l + l == l + l && l != [1]")
    assert program.evaluate({"l": items}).value is True


def test_a_tree_that_doubles_is_refused_before_it_is_made() -> None:
    with pytest.raises(CompileError, match="expression node limit exceeded: 100000"):
        ENVIRONMENT.compile("optional.of(s)" + ".optMap(v, v + v)" * 40)


def test_the_budget_itself_may_be_spent() -> None:
    program = ENVIRONMENT.compile("l.all(x, x > 0)")
    assert program.evaluate(ACTIVATION, budget=17).cost == 17
    with pytest.raises(CostLimitExceeded):
        program.evaluate(ACTIVATION, budget=16)


def test_a_cancelled_evaluation_ends_at_the_next_turn() -> None:
    turns: list[int] = []

    def cancelled() -> bool:
        turns.append(1)
        return len(turns) > 3

    with pytest.raises(Interrupted, match="operation interrupted"):
        ENVIRONMENT.compile("l.all(x, x >= 0) || true").evaluate(NUMBERS, cancelled=cancelled)
    assert len(turns) == 4


def test_a_variable_is_computed_once_and_only_when_needed() -> None:
    asked: list[str] = []

    def compute() -> Any:
        asked.append("l")
        return [1, 2]

    program = ENVIRONMENT.compile("b || l.size() + l[0] > 5")
    assert program.variables == ("b", "l")
    assert program.evaluate({"b": True, "l": compute}).value is True
    assert asked == []
    assert program.evaluate({"b": False, "l": compute}).value is False
    assert asked == ["l"]


def test_a_variable_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EvaluationError, match=r"^no such attribute\(s\): s$"):
        ENVIRONMENT.compile("s").evaluate({})


class Lazy:
    """Fields that are found when they are selected."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def cel_find(self, name: str) -> Any:
        return self.fields[name]


def test_fields_of_an_object_may_be_found_when_selected() -> None:
    variables = types.object_type("variables", {"a": types.INT, "b": types.STRING})
    environment = kubernetes.stored_expressions().extended({"variables": variables})
    activation = {"variables": Lazy(a=1)}
    assert environment.compile("variables.a + 1").evaluate(activation).value == 2
    assert environment.compile("has(variables.b)").evaluate(activation).value is False
    with pytest.raises(EvaluationError, match="no such key: b"):
        environment.compile("variables.b").evaluate(activation)


def test_objects_are_made_of_types_that_a_resolver_knows() -> None:
    spec = ObjectType(types.OBJECT_KIND, "Object.spec", fields={"replicas": types.INT})
    root = ObjectType(types.OBJECT_KIND, "Object", fields={"spec": spec}, construct=lambda fields: {"made": fields})
    environment = kubernetes.stored_expressions().extended(resolvers=[{"Object": root, "Object.spec": spec}.get])
    program = environment.compile("Object{spec: Object.spec{replicas: 1 + 1, ?replicas: optional.none()}}")
    assert str(program.output_type) == "Object"
    assert program.evaluate({}) == ({"made": {"spec": {"replicas": 2}}}, 82)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("Object{nope: 1}", "undefined field 'nope'"),
        ("Object{spec: 1}", "expected type of field 'spec' is 'Object.spec' but provided type is 'int'"),
        ("Other{}", "undeclared reference to 'Other' (in container '')"),
        ("int{}", "'int' is not a message type"),
        ("Object{?spec: 1}", "expected type 'optional_type(int)' but found 'int'"),
    ],
)
def test_wrong_objects_are_refused(expression: str, message: str) -> None:
    spec = types.object_type("Object.spec")
    environment = kubernetes.stored_expressions().extended(types=[types.object_type("Object", {"spec": spec}), spec])
    with pytest.raises(CompileError) as refused:
        environment.compile(expression)
    assert message in [issue.message for issue in refused.value.issues]


def test_a_constant_that_cannot_be_converted_makes_no_program() -> None:
    with pytest.raises(ProgramError, match=r"^type conversion error from 'string' to 'int'$"):
        ENVIRONMENT.compile('int("x")')


RECURSION = "ERROR: <input>:-1:0: expression recursion limit exceeded: 250"
CHAIN = "ERROR: <input>:-1:0: max recursion depth exceeded"


@pytest.mark.parametrize(
    ("expression", "issue"),
    [
        pytest.param("(" * 249 + "1" + ")" * 249, "", id="249 parentheses"),
        pytest.param("(" * 250 + "1" + ")" * 250, RECURSION, id="250 parentheses"),
        pytest.param("[" * 249 + "]" * 249, "", id="249 lists"),
        pytest.param("1" + "+1" * 250, "", id="250 sums"),
        pytest.param("1" + "+1" * 251, CHAIN, id="251 sums"),
        pytest.param("a" + ".b" * 250, "", id="250 selections"),
        pytest.param("a" + ".b" * 251, CHAIN, id="251 selections"),
        pytest.param("b" + "&&b" * 400, "", id="400 conditions are balanced"),
        pytest.param("b?1:" * 249 + "2", "", id="249 choices"),
        pytest.param("b?1:" * 250 + "2", RECURSION, id="250 choices"),
        pytest.param(f'"{"x" * 99_998}"', "", id="a hundred thousand code points"),
        pytest.param(
            f'"{"x" * 99_999}"',
            "ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100001, limit 100000",
            id="and one more",
        ),
    ],
)
def test_nesting_and_length_have_cel_gos_limits(expression: str, issue: str) -> None:
    if issue:
        with pytest.raises(CompileError) as refused:
            ENVIRONMENT.compile(expression)
        assert str(refused.value) == issue
    else:
        ENVIRONMENT.compile(expression)


def test_a_deep_expression_compiles_and_runs_on_a_short_stack() -> None:
    outcomes: list[Any] = []

    def within(frames: int) -> None:
        if frames:
            within(frames - 1)
        else:
            outcomes.append(ENVIRONMENT.compile("[" * 249 + "i" + "]" * 249 + ".size() == 1").evaluate(ACTIVATION).value)

    thread = threading.Thread(target=within, args=(700,))
    thread.start()
    thread.join(60)
    assert outcomes == [True]


@pytest.mark.parametrize(
    ("expression", "since"),
    [
        pytest.param("'a' + 'b'", 0, id="the language"),
        pytest.param("optional.of(1)", 28, id="optional values"),
        pytest.param("a.?b", 28, id="optional syntax"),
        pytest.param("quantity('1Gi')", 28, id="quantity"),
        pytest.param("sets.contains([1], [1])", 29, id="sets"),
        pytest.param("ip('10.0.0.1')", 30, id="ip"),
        pytest.param("cidr('10.0.0.0/8')", 30, id="cidr"),
        pytest.param("format.dns1123Label()", 31, id="format"),
        pytest.param("l.all(i, v, v > i)", 32, id="macros of two variables"),
        pytest.param("semver('1.2.3')", 33, id="semver"),
        pytest.param("[[1]].flatten()", 34, id="lists of cel-go"),
    ],
)
def test_a_library_may_be_used_from_its_version_on(expression: str, since: int) -> None:
    for minor in (26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37):
        environment = kubernetes.new_expressions(minor).extended(VARIABLES)
        if minor >= since:
            environment.compile(expression)
        else:
            with pytest.raises(CompileError):
                environment.compile(expression)
    kubernetes.stored_expressions().extended(VARIABLES).compile(expression)


def test_literals_that_fail_are_refused_since_1_29() -> None:
    kubernetes.new_expressions(29)
    with pytest.raises(CompileError, match="invalid matches argument"):
        kubernetes.new_expressions(29).extended(VARIABLES).compile('s.matches("[")')
    assert kubernetes.new_expressions(28).extended(VARIABLES).compile('s.matches("[")').output_type == types.BOOL


def test_an_environment_is_not_changed_by_those_made_from_it() -> None:
    base = Environment.of({"x": types.INT})
    extended = base.extended({"y": types.INT})
    extended.compile("x + y")
    with pytest.raises(CompileError, match="undeclared reference to 'y'"):
        base.compile("x + y")
