"""Library `kubernetes.Semver`: versions of semver.org, read strictly or after being brought into shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.cel.costs import argument_traversal_estimate, nominal, nominal_estimate, traversal
from pilothouse.cel.declarations import Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.types import BOOL, INT, STRING, object_type
from pilothouse.cel.values import GREATEST_INT
from pilothouse.machinery import strconv
from pilothouse.machinery.quoting import go_quoted

SEMVER = object_type("kubernetes.Semver")
DIGITS = frozenset("0123456789")
SIGNS = DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")


@dataclass(frozen=True, slots=True, eq=False)
class SemverValue:
    """A version. Build metadata is read and does not count in comparisons."""

    numbers: tuple[int, int, int]
    prerelease: tuple[int | str, ...] = ()

    cel_type = SEMVER
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SemverValue):
            raise EvaluationError("no such overload")
        return self.order() == other.order()

    def __str__(self) -> str:
        release = ".".join(map(str, self.numbers))
        return f"{release}-{'.'.join(map(str, self.prerelease))}" if self.prerelease else release

    def order(self) -> tuple[Any, ...]:
        """Sort key: a release after its prereleases, numbers before words, fewer parts before more."""
        parts = tuple((isinstance(part, str), part) for part in self.prerelease)
        return self.numbers, not self.prerelease, parts


def compare(left: SemverValue, right: SemverValue) -> int:
    """-1, 0 or 1."""
    first, second = left.order(), right.order()
    return int.__sub__(first > second, first < second)


def parse(text: str) -> SemverValue:
    """Upstream's semver.Parse; ValueError in its words."""
    if not text:
        raise ValueError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise ValueError("No Major.Minor.Patch elements found")
    major, minor = _number("Major", parts[0]), _number("Minor", parts[1])
    rest, plus, build = parts[2].partition("+")
    patch, dash, prerelease = rest.partition("-")
    numbers = (major, minor, _number("Patch", patch))
    identifiers = tuple(map(_identifier, prerelease.split("."))) if dash else ()
    for metadata in build.split(".") if plus else ():
        if not metadata:
            raise ValueError("Build meta data is empty")
        if not SIGNS.issuperset(metadata):
            raise ValueError(f"Invalid character(s) found in build meta data {go_quoted(metadata)}")
    return SemverValue(numbers, identifiers)


def _number(name: str, text: str) -> int:
    if not DIGITS.issuperset(text):
        raise ValueError(f"Invalid character(s) found in {name.lower()} number {go_quoted(text)}")
    if len(text) > 1 and text[0] == "0":
        raise ValueError(f"{name} number must not contain leading zeroes {go_quoted(text)}")
    return strconv.parse_uint(text)


def _identifier(text: str) -> int | str:
    if not text:
        raise ValueError("Prerelease is empty")
    if DIGITS.issuperset(text):
        if len(text) > 1 and text[0] == "0":
            raise ValueError(f"Numeric PreRelease version must not contain leading zeroes {go_quoted(text)}")
        return strconv.parse_uint(text)
    if not SIGNS.issuperset(text):
        raise ValueError(f"Invalid character(s) found in prerelease {go_quoted(text)}")
    return text


def normalized(text: str) -> str:
    """The version without `v` and leading zeros, and with three numbers: `v1.02` is `1.2.0`."""
    parts = [_without_zeros(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3 and any(sign in parts[-1] for sign in "+-"):
        raise ValueError("short version cannot contain PreRelease/Build meta data")
    return ".".join(parts + ["0"] * (3 - len(parts)))


def _without_zeros(part: str) -> str:
    if len(part) <= 1:
        return part
    stripped = part.lstrip("0")
    return stripped if stripped[:1] in DIGITS else f"0{stripped}"


def _read(text: str, normalize: bool) -> SemverValue:
    return parse(normalized(text) if normalize else text)


def to_semver(text: str, normalize: bool = False) -> SemverValue:
    """`semver(text)` and `semver(text, normalize)`."""
    try:
        return _read(text, normalize)
    except ValueError as fault:
        raise EvaluationError(str(fault)) from None


def is_semver(text: str, normalize: bool = False) -> bool:
    """`isSemver(text)` and `isSemver(text, normalize)`."""
    try:
        _read(text, normalize)
    except ValueError:
        return False
    return True


def _part(name: str, index: int) -> Function:
    def get(value: SemverValue) -> int:
        number = value.numbers[index]
        return number if number <= GREATEST_INT else number - (1 << 64)

    return Function(name, (Overload(f"semver_{name}", (SEMVER,), INT, get, receiver=True),), nominal, nominal_estimate)


def _comparison(name: str, overload: str, result: Any, call: Callable[[SemverValue, SemverValue], Any]) -> Function:
    return Function(name, (Overload(overload, (SEMVER, SEMVER), result, call, receiver=True),), nominal, nominal_estimate)


def _parser(name: str, overloads: Sequence[Overload]) -> Function:
    return Function(name, tuple(overloads), traversal, argument_traversal_estimate)


LIBRARY = Library(
    "kubernetes.Semver",
    since=33,
    functions=(
        _parser(
            "semver",
            (
                Overload("string_to_semver", (STRING,), SEMVER, to_semver),
                Overload("string_bool_to_semver", (STRING, BOOL), SEMVER, to_semver),
            ),
        ),
        _parser(
            "isSemver",
            (
                Overload("is_semver_string", (STRING,), BOOL, is_semver),
                Overload("is_semver_string_bool", (STRING, BOOL), BOOL, is_semver),
            ),
        ),
        _comparison("isGreaterThan", "semver_is_greater_than", BOOL, lambda left, right: compare(left, right) > 0),
        _comparison("isLessThan", "semver_is_less_than", BOOL, lambda left, right: compare(left, right) < 0),
        _comparison("compareTo", "semver_compare_to", INT, compare),
        _part("major", 0),
        _part("minor", 1),
        _part("patch", 2),
    ),
)
