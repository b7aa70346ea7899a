"""Failures of schema validation, and their field errors.

Upstream: kube-openapi pkg/validation/errors and validate/result.go; kubeOpenAPIResultToFieldErrors in apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.machinery.problems import Problems, go_json
from pilothouse.machinery.quoting import go_float, go_quoted

REQUIRED, ENUM, TOO_LONG, TOO_MANY, TYPE, OTHER, PLAIN = "required", "enum", "too long", "too many", "type", "other", "plain"
ROOT = "<nil>"
"""How upstream writes the path of a whole object."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: message, path ("" for the root), kind, and the value that the field error shows."""

    message: str
    name: str = ""
    kind: str = OTHER
    value: Any = None
    allowed: Any = None

    @classmethod
    def plain(cls, message: str) -> Failure:
        """A failure that upstream tells of the whole object."""
        return cls(message, kind=PLAIN)

    @classmethod
    def of_type(cls, path: str, wanted: str, actual: Any) -> Failure:
        """A value of another type, or of another format."""
        return cls(f"{path} in body must be of type {wanted}: {go_quoted(actual)}", path, TYPE, actual)

    @classmethod
    def enum(cls, path: str, value: Any, allowed: Sequence[Any]) -> Failure:
        """A value that is none of those allowed."""
        shown = [choice if isinstance(choice, str) else go_json(choice) for choice in allowed]
        return cls(f"{path} in body should be one of {shown}", path, ENUM, value, shown)

    @classmethod
    def required(cls, path: str) -> Failure:
        """A field that is absent."""
        return cls(f"{path} in body is required", path, REQUIRED)

    @classmethod
    def forbidden(cls, path: str, name: str) -> Failure:
        """A field that may not be there."""
        return cls(f"{path}.{name} in body is a forbidden property", path, OTHER, name)

    @classmethod
    def limit(cls, path: str, words: str, value: Any) -> Failure:
        """A value beyond a limit; `words` follow "should"."""
        return cls(f"{path} in body should {words}", path, OTHER, value)


class Outcome:
    """Failures, each message once, and the number of steps that passed."""

    __slots__ = ("_messages", "failures", "passed")

    def __init__(self, passed: int = 0) -> None:
        self.passed = passed
        self.failures: list[Failure] = []
        self._messages: set[str] = set()

    def add(self, failure: Failure) -> None:
        """Add a failure, unless its message was added before."""
        if failure.message not in self._messages:
            self._messages.add(failure.message)
            self.failures.append(failure)

    def merge(self, other: Outcome | None) -> Outcome:
        """Another outcome's failures and steps; None has neither."""
        if other is not None:
            self.passed += other.passed
            for failure in other.failures:
                self.add(failure)
        return self


def report(failures: Iterable[Failure], problems: Problems) -> None:
    """Tell failures as field errors at the place of `problems`."""
    base = problems.path
    for failure in failures:
        name = "" if failure.kind == PLAIN or failure.name == "." else failure.name.removeprefix(".")
        path = f"{base}.{name}" if base and name else base or name or ROOT
        _report(failure, Problems(path, problems.found))


def _report(failure: Failure, problems: Problems) -> None:
    if failure.kind == REQUIRED:
        problems.required()
    elif failure.kind == ENUM:
        problems.not_supported(failure.value, failure.allowed)
    elif failure.kind == TOO_LONG:
        problems.too_long(failure.allowed)
    elif failure.kind == TOO_MANY:
        problems.too_many(failure.value, failure.allowed)
    else:
        value = "" if failure.value is None else failure.value
        (problems.type_invalid if failure.kind == TYPE else problems.invalid)(value, failure.message)


def number_text(value: float) -> str:
    """A limit as upstream prints it."""
    return go_float(value) if isinstance(value, float) else str(value)
