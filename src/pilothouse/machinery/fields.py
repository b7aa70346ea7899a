"""Field selectors: `status.phase=Running,metadata.name!=a`.

Which fields a kind lets select on is said by its `Resource`; here is only the syntax and the matching.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.machinery.errors import bad_request

TERM = re.compile(r"((?:\\.|[^\\,])*)(,|$)", re.DOTALL)
ESCAPABLE = "\\,="


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a field selector: `operator` is `=` or `!=`."""

    field: str
    operator: str
    value: str

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{self.operator}{value}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements must hold; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, getter: Callable[[str], str]) -> bool:
        """`getter` gives the value of a field by its name."""
        return all((getter(requirement.field) == requirement.value) == (requirement.operator == "=") for requirement in self.requirements)

    def exact(self, field: str) -> str | None:
        """The value that `field` must have, when one is said."""
        return next(
            (requirement.value for requirement in self.requirements if requirement.field == field and requirement.operator == "="), None
        )

    def __bool__(self) -> bool:
        return bool(self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = FieldSelector()


def parse(text: str) -> FieldSelector:
    """Parse a field selector. Raises a 400 with upstream's message."""
    if not text:
        return EVERYTHING
    return FieldSelector(tuple(_requirement(term, text) for term in _terms(text) if term))


def _terms(text: str) -> list[str]:
    terms: list[str] = []
    position = 0
    while position <= len(text):
        match = TERM.match(text, position)
        if match is None:
            terms.append(text[position:])
            break
        terms.append(match[1])
        position = match.end() if match[2] else len(text) + 1
    return terms


def _requirement(term: str, text: str) -> Requirement:
    for position in range(len(term)):
        for sign in ("!=", "==", "="):
            if term.startswith(sign, position):
                value = _unescaped(term[position + len(sign) :])
                return Requirement(term[:position], "!=" if sign == "!=" else "=", value)
    raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")


def _unescaped(value: str) -> str:
    result: list[str] = []
    escaped = False
    for char in value:
        if escaped:
            if char not in ESCAPABLE:
                raise bad_request(f"invalid field selector: invalid escape sequence: \\{char}")
            result.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in ",=":
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            result.append(char)
    if escaped:
        raise bad_request("invalid field selector: invalid escape sequence: \\")
    return "".join(result)
