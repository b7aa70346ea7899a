"""Label selectors: `app=web,tier in (a,b),!old` and the LabelSelector of the API.

- A selector matches when all its requirements hold; without any it matches everything; NOTHING matches never.
- Texts of errors are upstream's (apimachinery pkg/labels).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.kit.remember import remember
from pilothouse.machinery import names, strconv
from pilothouse.machinery.errors import bad_request
from pilothouse.machinery.meta_v1 import LabelSelector
from pilothouse.machinery.problems import quoted
from pilothouse.machinery.quoting import aggregate

EXISTS, ABSENT, IN, NOT_IN = "exists", "!", "in", "notin"
EQUAL, DOUBLE_EQUAL, NOT_EQUAL, GREATER, LESS = "=", "==", "!=", "gt", "lt"
BINARY = (IN, NOT_IN, EQUAL, DOUBLE_EQUAL, NOT_EQUAL, GREATER, LESS)
API_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": ABSENT}
CACHED_SELECTORS = 1024

TOKEN = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^=!(),<> \t\r\n]+))")
SIGNS = {"=": EQUAL, "==": DOUBLE_EQUAL, "!=": NOT_EQUAL, ">": GREATER, "<": LESS}


class SelectorError(ValueError):
    """A selector that cannot be read; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement on a label. `values` are sorted."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy this requirement.

        A missing label satisfies NotIn, `!=` and DoesNotExist only; `Gt` and `Lt` compare integers and refuse other text. As
        labels.Requirement.Matches.
        """
        value = labels.get(self.key)
        if self.operator in (EQUAL, DOUBLE_EQUAL, IN):
            return value is not None and value in self.values
        if self.operator in (NOT_EQUAL, NOT_IN):
            return value is None or value not in self.values
        if self.operator in (EXISTS, ABSENT):
            return (value is not None) == (self.operator == EXISTS)
        number = strconv.integer(value)
        if number is None:
            return False
        limit = strconv.parse_int(self.values[0])
        return number > limit if self.operator == GREATER else number < limit

    def __str__(self) -> str:
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({','.join(self.values)})"
        if self.operator in (EXISTS, ABSENT):
            return f"!{self.key}" if self.operator == ABSENT else self.key
        sign = {GREATER: ">", LESS: "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements together; `never` makes it match nothing."""

    requirements: tuple[Requirement, ...] = ()
    never: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy every requirement."""
        if self.never:
            return False
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def everything(self) -> bool:
        """Whether the selector is empty and so matches all labels."""
        return not self.requirements and not self.never

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(never=True)


class _Equalities(Selector):
    """A selector of equalities alone: the form of nearly all, compared without looking at operators."""

    __slots__ = ("pairs",)
    pairs: tuple[tuple[str, str], ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in self.pairs)


def _selector(requirements: Iterable[Requirement]) -> Selector:
    ordered = tuple(requirements)
    if not ordered:
        return EVERYTHING
    if any(requirement.operator not in (EQUAL, DOUBLE_EQUAL, IN) or len(requirement.values) != 1 for requirement in ordered):
        return Selector(ordered)
    simple = _Equalities(ordered)
    object.__setattr__(simple, "pairs", tuple((requirement.key, requirement.values[0]) for requirement in ordered))
    return simple


def match_labels(wanted: Mapping[str, str]) -> Selector:
    """The selector of a plain map (a Service's, a ReplicationController's); an empty map matches everything."""
    return _selector(Requirement(key, EQUAL, (wanted[key],)) for key in sorted(wanted))


def from_label_selector(selector: LabelSelector | None) -> Selector:
    """Selector of a LabelSelector: None matches nothing, an empty one everything. Raises SelectorError."""
    if selector is None:
        return NOTHING
    requirements = [Requirement(key, EQUAL, (value,)) for key, value in selector.matchLabels.items()]
    for expression in selector.matchExpressions:
        operator = API_OPERATORS.get(expression.operator)
        if operator is None:
            raise SelectorError(f"{quoted(expression.operator)} is not a valid label selector operator")
        requirements.append(requirement(expression.key, operator, expression.values))
    return _selector(sorted(requirements, key=lambda requirement: requirement.key))


def requirement(key: str, operator: str, values: Iterable[str]) -> Requirement:
    """A checked requirement; SelectorError in upstream's words."""
    listed = tuple(sorted(set(values)))
    problems = [f"key: Invalid value: {quoted(key)}: {'; '.join(wrong)}" for wrong in [names.qualified_name(key)] if wrong]
    problems += [f"values: Invalid value: {_go_list(listed)}: {problem}" for problem in _counted_wrong(operator, listed)]
    for index, value in enumerate(listed):
        if operator in (GREATER, LESS) and strconv.integer(value) is None:
            problems.append(f"values[{index}]: Invalid value: {quoted(value)}: for 'Gt', 'Lt' operators, the value must be an integer")
        if wrong := names.label_value(value):
            problems.append(f"values[{index}][{key}]: Invalid value: {quoted(value)}: {'; '.join(wrong)}")
    if problems:
        raise SelectorError(aggregate(problems))
    return Requirement(key, operator, listed)


def _counted_wrong(operator: str, values: tuple[str, ...]) -> list[str]:
    if operator in (IN, NOT_IN):
        return [] if values else ["for 'in', 'notin' operators, values set can't be empty"]
    if operator in (EQUAL, DOUBLE_EQUAL, NOT_EQUAL):
        return [] if len(values) == 1 else ["exact-match compatibility requires one single value"]
    if operator in (EXISTS, ABSENT):
        return ["values set must be empty for exists and does not exist"] if values else []
    return [] if len(values) == 1 else ["for 'Gt', 'Lt' operators, exactly one value is required"]


def _go_list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(quoted(value) for value in values)}]"


def parse(text: str) -> Selector:
    """Parse a labelSelector query parameter. Raises a 400 with upstream's message."""
    try:
        return parse_text(text)
    except SelectorError as error:
        raise bad_request(str(error)) from error


@remember(CACHED_SELECTORS)
def parse_text(text: str) -> Selector:
    """The same for other callers: SelectorError."""
    return _selector(sorted(_Parser(text).requirements(), key=lambda requirement: requirement.key))


class _Parser:
    """One walk over the tokens of a selector. A token is its text; the end is the empty text."""

    def __init__(self, text: str) -> None:
        self.tokens = [sign or word for sign, word in TOKEN.findall(text)]
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.position += 1
        return token

    def requirements(self) -> Iterable[Requirement]:
        while token := self.peek():
            if not _is_word(token) and token != "!":
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                yield self.requirement()
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from error
            following = self.take()
            if following not in (",", ""):
                raise SelectorError(f"found '{following}', expected: ',' or 'end of string'")
            if following == "," and not (_is_word(self.peek()) or self.peek() == "!"):
                raise SelectorError(f"found '{self.peek()}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        key = self.take()
        absent = key == "!"
        if absent:
            key = self.take()
        if not _is_word(key):
            raise SelectorError(f"found '{key}', expected: identifier")
        if wrong := names.qualified_name(key):
            raise SelectorError(f"<nil>: Invalid value: {quoted(key)}: {'; '.join(wrong)}")
        if absent or self.peek() in ("", ","):
            return requirement(key, ABSENT if absent else EXISTS, ())
        sign = self.take()
        if sign in (IN, NOT_IN):
            return requirement(key, sign, self.set_values())
        if sign not in SIGNS:
            raise SelectorError(f"found '{sign}', expected: {', '.join(BINARY)}")
        return requirement(key, SIGNS[sign], [self.exact_value()])

    def exact_value(self) -> str:
        if self.peek() in ("", ","):
            return ""
        token = self.take()
        if not _is_word(token):
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def set_values(self) -> list[str]:
        token = self.take()
        if token != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        first = self.peek()
        if first == ")":  # upstream reads an empty list as that of the empty value
            self.take()
            return [""]
        if first != "," and not _is_word(first):
            raise SelectorError(f"found '{first}', expected: ',', ')' or identifier")
        values: list[str] = []
        while True:
            token = self.peek()
            values.append("" if token in (",", ")") else self.take())
            if values[-1] and not _is_word(values[-1]):
                raise SelectorError(f"found '{token}', expected: ',', or identifier")
            closing = self.take()
            if closing == ")":
                return values
            if closing != ",":
                raise SelectorError(f"found '{closing}', expected: ',' or ')'")


def _is_word(token: str) -> bool:
    return bool(token) and token not in SIGNS and token not in ("!", "(", ")", ",")
