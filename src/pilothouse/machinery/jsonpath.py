"""JSONPath as Kubernetes has it (client-go's util/jsonpath), over plain data: columns of custom resources, selectable fields.

- `compile(path)` gives what finds the values of an expression without braces (`.spec.hosts[*].name`); ValueError when it is none.
- What is not there gives no value. What cannot be evaluated (an index beyond a list, a comparison of unlike types) is a PathError.
- Templates (text around the braces, `range`, `end`) are kubectl's business and not here.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pilothouse.kit.remember import remember
from pilothouse.machinery import strconv
from pilothouse.machinery.patch.document import go_type

PATHS_REMEMBERED = 4096
TERMINATORS = frozenset(" \t\r\n.,[]$@{}")
KEY = re.compile(r"'([^']*)'")
SLICE = re.compile(r"(-?\d*)(:-?\d*)?(:-?\d*)?")
COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)")
NUMBER = re.compile(r"[+-]?[.\d]*")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, ">": operator.gt, "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
EQUALITY = ("==", "!=")

Values = list[Any]
Step = Callable[[Values], Values]


class PathError(ValueError):
    """An expression that does not fit the data."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled expression. `head` is the field that it begins with; "" when it begins with something else."""

    head: str
    steps: tuple[Step, ...]

    def find(self, value: Any) -> Values:
        """The values of the expression, in order; PathError when it does not fit."""
        values = [value]
        for step in self.steps:
            values = step(values)
        return values


@remember(PATHS_REMEMBERED)
def compile(path: str) -> JsonPath:
    """The expression, ready to be used; ValueError in upstream's words."""
    return _Parser(path).read()


class _Parser:
    """One expression as it is read: `position` is where."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.steps: list[Step] = []
        self.names: list[str] = []

    def read(self) -> JsonPath:
        while self.position < len(self.text):
            self._step()
        return JsonPath(self.names[0] if self.names else "", tuple(self.steps))

    def _add(self, step: Step, name: str = "") -> None:
        self.steps.append(step)
        self.names.append(name)

    def _step(self) -> None:
        text, start = self.text, self.position
        character = text[start]
        if text.startswith("[?(", start):
            self._filter()
        elif text.startswith("..", start):
            self._recursive()
        elif character in "\r\n":
            raise ValueError("unclosed action")
        elif character in " @$":
            self.position += 1
        elif character == "[":
            self._brackets()
        elif character in "\"'":
            self._add(_constant(self._quoted(character)))
        elif character == ".":
            self.position += 1
            self._field()
        elif character in "+-" or character.isdigit():
            self._number()
        elif character == "_" or character.isalpha():
            self._word()
        else:
            raise ValueError(f"unrecognized character in action: U+{ord(character):04X} '{character}'")

    def _until_terminator(self) -> str:
        """What comes before the next terminator; a backslash takes the character behind it along."""
        start, text = self.position, self.text
        while self.position < len(text) and text[self.position] not in TERMINATORS:
            self.position += 2 if text[self.position] == "\\" else 1
        self.position = min(self.position, len(text))
        return text[start : self.position]

    def _field(self) -> None:
        name = self._until_terminator()
        if name == "*":
            self._add(_children)
        else:
            plain = name.replace("\\", "")
            self._add(_field(plain), plain)

    def _recursive(self) -> None:
        if self.steps and self.steps[-1] is _descendants:
            raise ValueError("invalid multiple recursive descent")
        self.position += 2
        self._add(_descendants)
        if self.position < len(self.text) and (self.text[self.position] == "_" or self.text[self.position].isalnum()):
            self._field()

    def _number(self) -> None:
        matched = NUMBER.match(self.text, self.position)
        assert matched is not None
        self.position = matched.end()
        whole = strconv.integer(matched[0])
        if whole is not None:
            self._add(_constant(whole))
            return
        try:
            self._add(_constant(strconv.parse_float(matched[0])))
        except ValueError as error:
            raise ValueError(f"cannot parse number {matched[0]}") from error

    def _word(self) -> None:
        word = self._until_terminator()
        self._add(_constant(word == "true") if word in ("true", "false") else _unknown(word))

    def _quoted(self, quote: str) -> str:
        """The text in quotes that begins here."""
        start = self.position
        end = start + 1
        while end < len(self.text) and (self.text[end] != quote or self.text[end - 1] == "\\"):
            end += 1
        if end >= len(self.text):
            raise ValueError("unterminated quoted string")
        self.position = end + 1
        return re.sub(r"\\(.)", r"\1", self.text[start + 1 : end])

    def _brackets(self) -> None:
        end = self.text.find("]", self.position)
        if end < 0:
            raise ValueError("unterminated array")
        inside = self.text[self.position + 1 : end]
        self.position = end + 1
        parts = inside.split(",")
        if len(parts) > 1:
            self._add(_union([compile(f"[{part.strip(' ')}]") for part in parts]))
        elif (key := KEY.fullmatch(inside)) is not None:
            inner = compile(f".{key[1]}")
            self.steps += inner.steps
            self.names += [inner.head] * len(inner.steps)
        else:
            self._add(_slice(":" if inside == "*" else inside))

    def _filter(self) -> None:
        start = self.position + len("[?(")
        end = _end_of_filter(self.text, start)
        if self.text[end + 1 : end + 2] != "]":
            raise ValueError("unclosed array expect ]")
        self.position = end + 2
        inside = self.text[start:end]
        compared = COMPARISON.fullmatch(inside)
        if compared is None:
            self._add(_existing(compile(inside)))
        else:
            self._add(_comparing(compile(compared[1]), compared[2], compile(compared[3])))


def _end_of_filter(text: str, start: int) -> int:
    """Where the parenthesis of a filter is closed: not in quotes, of which it has at most one pair."""
    quote, is_closed = "", False
    for index in range(start, len(text)):
        character = text[index]
        if character in "\"'":
            if not quote:
                quote = character
            elif text[index - 1] != "\\" and character == quote:
                is_closed = True
        elif character == ")" and bool(quote) == is_closed:
            return index
    raise ValueError("unterminated filter")


def _constant(value: Any) -> Step:
    return lambda values: [value] * len(values)


def _unknown(word: str) -> Step:
    def fail(values: Values) -> Values:
        raise PathError(f"unrecognized identifier {word}")

    return fail


def _field(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _members(value: Any) -> Iterator[Any]:
    """What is in a map or a list. (A text's bytes, which upstream gives as numbers.)"""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, str):
        yield from value.encode()


def _children(values: Values) -> Values:
    return [child for value in values for child in _members(value)]


def _descendants(values: Values) -> Values:
    """The values and all that is below them, as far as there is something in them."""
    descendants: Values = []
    for value in values:
        children = list(_members(value))
        if children:
            descendants += [value, *_descendants(children)]
    return descendants


def _union(paths: list[JsonPath]) -> Step:
    return lambda values: [value for path in paths for value in _all(path, values)]


def _all(path: JsonPath, values: Values) -> Values:
    for step in path.steps:
        values = step(values)
    return values


def _slice(text: str) -> Step:
    matched = SLICE.fullmatch(text)
    if matched is None:
        raise ValueError(f"invalid array index {text}")
    start, end, step = (strconv.integer(part.removeprefix(":")) if part else None for part in matched.groups())
    is_single = matched[2] is None

    def take(values: Values) -> Values:
        elements: Values = []
        for value in values:
            if value is None:
                continue
            if not isinstance(value, list):
                raise PathError(f"{go_type(value)} is not array or slice")
            first, last = _bounds(start or 0, end, len(value), is_single=is_single)
            if first == last:
                return elements
            if step is not None and step <= 0:
                raise PathError("step must be > 0")
            elements += value[first : last : step or 1]
        return elements

    return take


def _bounds(start: int, end: int | None, length: int, *, is_single: bool) -> tuple[int, int]:
    """From where to where a slice goes; PathError when that is beyond the list."""
    last = start + 1 if is_single else length if end is None else end
    first = start + length if start < 0 else start
    if last < 0 or (last == 0 and is_single):
        last += length
    if first != last:
        if not 0 <= first < length:
            raise PathError(f"array index out of bounds: index {first}, length {length}")
        if not 0 <= last <= length:
            raise PathError(f"array index out of bounds: index {last - 1}, length {length}")
        if first > last:
            raise PathError(f"starting index {first} is greater than ending index {last}")
    return first, last


def _items(values: Values) -> Iterator[Any]:
    for value in values:
        if not isinstance(value, list):
            raise PathError(f"{value} is not array or slice and cannot be filtered")
        yield from value


def _existing(path: JsonPath) -> Step:
    return lambda values: [item for item in _items(values) if _exists(path, item)]


def _exists(path: JsonPath, item: Any) -> bool:
    try:
        return bool(path.find(item))
    except PathError:
        return False


def _comparing(left: JsonPath, sign: str, right: JsonPath) -> Step:
    return lambda values: [item for item in _items(values) if _holds(left.find(item), sign, right.find(item))]


def _holds(lefts: Values, sign: str, rights: Values) -> bool:
    if not lefts or not rights:
        return False
    if len(lefts) > 1 or len(rights) > 1:
        raise PathError("can only compare one element at a time")
    if sign not in OPERATORS:
        raise PathError(f"unrecognized filter operator {sign}")
    left, other = lefts[0], rights[0]
    if not isinstance(left, (str, int, float)) or (type(left) is bool and sign not in EQUALITY):
        raise PathError("invalid type for comparison")
    if type(left) is not type(other):
        raise PathError("incompatible types for comparison")
    return OPERATORS[sign](left, other)
