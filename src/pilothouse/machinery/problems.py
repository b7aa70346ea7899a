"""Field errors of an object, collected with their paths, in upstream's words.

A validator gets a `Problems` bound to a path and reports; `at` binds a longer path. Messages and types are upstream's
field.Error (apimachinery pkg/util/validation/field): clients match on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.machinery.quoting import go_float, go_quoted, json_float


@dataclass(frozen=True, slots=True)
class Problem:
    """One field error. `reason` is the type in the cause (`FieldValueInvalid`), `message` the text after the path."""

    path: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Problems:
    """Collector of field errors at a path: `problems.at("spec").at("containers", 0).at("name").required()`.

    Paths are put together only when something is wrong: validating a Pod takes some sixty steps, and hardly ever a path.
    """

    __slots__ = ("_parent", "_steps", "found")

    def __init__(self, path: str = "", problems: list[Problem] | None = None) -> None:
        self._parent: Problems | None = None
        self._steps: tuple[str | int, ...] = (path,) if path else ()
        self.found: list[Problem] = [] if problems is None else problems

    def __bool__(self) -> bool:
        return bool(self.found)

    def at(self, *steps: str | int) -> Problems:
        """The same collector further down: a name adds `.name`, an index `[0]`; a map key goes in as `["[key]"]`."""
        below = Problems.__new__(Problems)
        below._parent, below._steps, below.found = self, steps, self.found
        return below

    @property
    def path(self) -> str:
        """The field's path as messages print it: `spec.containers[0].name`, `metadata.labels[app]`."""
        path = self._parent.path if self._parent is not None else ""
        for step in self._steps:
            if isinstance(step, int):
                path += f"[{step}]"
            elif step.startswith("[") or not path:
                path += step
            else:
                path += f".{step}"
        return path

    def required(self, detail: str = "") -> None:
        """Report a missing value (FieldValueRequired)."""
        self._add("FieldValueRequired", "Required value", detail)

    def invalid(self, value: object, detail: str) -> None:
        """Report a value that breaks a rule; `detail` says which (FieldValueInvalid)."""
        self._add("FieldValueInvalid", f"Invalid value: {quoted(value)}", detail)

    def type_invalid(self, value: object, detail: str) -> None:
        """Report a value that is not of the schema's type."""
        self._add("FieldValueTypeInvalid", f"Invalid value: {quoted(value)}", detail)

    def wrong(self, detail: str) -> None:
        """Invalid as a whole: upstream leaves the value out."""
        self._add("FieldValueInvalid", "Invalid value", detail)

    def not_supported(self, value: object, supported: Iterable[str]) -> None:
        """`supported` is told in the order given: upstream sorts where its validator keeps a set, and not where it has a list."""
        names = ", ".join(map(go_quoted, supported))
        self._add("FieldValueNotSupported", f"Unsupported value: {quoted(value)}", f"supported values: {names}")

    def forbidden(self, detail: str) -> None:
        """Report a field that must not be set or changed here (FieldValueForbidden)."""
        self._add("FieldValueForbidden", "Forbidden", detail)

    def duplicate(self, value: object) -> None:
        """Report a value that occurs twice where it must be unique (FieldValueDuplicate)."""
        self._add("FieldValueDuplicate", f"Duplicate value: {quoted(value)}", "")

    def duplicated(self) -> None:
        """A duplicate as a whole: the value is left out."""
        self._add("FieldValueDuplicate", "Duplicate value", "")

    def internal(self, detail: str) -> None:
        """Something that is no fault of the input."""
        self._add("InternalError", "Internal error", detail)

    def not_found(self, value: object, detail: str = "") -> None:
        """Report a reference to something that does not exist (FieldValueNotFound)."""
        self._add("FieldValueNotFound", f"Not found: {quoted(value)}", detail)

    def too_long(self, limit: int, unit: str = "bytes") -> None:
        """Report a text longer than `limit` (FieldValueTooLong). `unit` is a plural noun; its s is dropped for a limit of 1."""
        self._add("FieldValueTooLong", "Too long", f"may not be more than {limit} {unit.removesuffix('s') if limit == 1 else unit}")

    def too_many(self, actual: int, limit: int) -> None:
        """Report a list of `actual` items where at most `limit` are allowed (FieldValueTooMany)."""
        self._add("FieldValueTooMany", f"Too many: {actual}", f"must have at most {limit} item{'s' if limit != 1 else ''}")

    def _add(self, reason: str, head: str, detail: str) -> None:
        self.found.append(Problem(self.path, reason, f"{head}: {detail}" if detail else head))


def quoted(value: Any) -> str:
    """A value as upstream's %v/%q prints it in field errors: strings in quotes, all that is no plain value as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    return go_quoted(value) if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """JSON as Go's encoder writes it: maps sorted, and what HTML would take for markup escaped."""
    text = msgspec.json.encode(_with_floats(value), order="deterministic").decode()
    for character in "<>&\u2028\u2029":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _with_floats(value: Any) -> Any:
    """Floats as Go writes them: those of whole numbers without a fraction."""
    if isinstance(value, dict):
        return {name: _with_floats(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_with_floats(child) for child in value]
    return msgspec.Raw(json_float(value).encode()) if isinstance(value, float) else value


def go_json(value: Any) -> str:
    """A value of parsed JSON as Go's encoder writes it."""
    return _json(value)
