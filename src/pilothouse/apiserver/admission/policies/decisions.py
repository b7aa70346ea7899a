"""Decision of a ValidatingAdmissionPolicy about one object and one param, from the results of its expressions. Pure.

Upstream: policy/validating/validator.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.api.types.admissionregistration_v1 import Validation
from pilothouse.apiserver.admission.expressions.evaluation import Result
from pilothouse.cel.values import type_of

LONGEST_MESSAGE_BYTES = 5 * 1024
UNSUPPORTED = "valueExpression '{expression}' resulted in unsupported return type: {type}. Return type must be either string or null."


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision of one validation: `denies`, with `message` and `reason` ("" for an error). `is_error`: the expression failed."""

    denies: bool = False
    message: str = ""
    reason: str = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Annotation:
    """Result of one audit annotation: its value ("" for none), or the error that denies the request."""

    key: str
    value: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All decisions of a policy, in the order of its validations, and its audit annotations."""

    decisions: Sequence[Decision] = ()
    annotations: Sequence[Annotation] = field(default=())


ADMITTED = Decision()
NOTHING = Verdict()
"""The verdict of a policy that is not asked, or has nothing to say."""


def failed(message: str, *, fails: bool) -> Decision:
    """The decision where something could not be evaluated: the failure policy says whether that denies."""
    return Decision(fails, message, is_error=True)


def failure(message: str, *, fails: bool) -> Verdict:
    """The verdict of a policy that could not be evaluated at all."""
    return Verdict([failed(message, fails=fails)])


def decided(validation: Validation, result: Result, message: Result | None, *, fails: bool, spent: str = "") -> Decision:
    """The decision of a validation. `spent`: why no message expression was evaluated any more."""
    if result.error:
        return failed(result.error, fails=fails)
    if spent:
        return failed(f"failed messageExpression: {spent}", fails=fails)
    if result.value is True:
        return ADMITTED
    return Decision(True, message_of(validation, message), validation.reason or "Invalid")


def message_of(validation: Validation, message: Result | None) -> str:
    """Message of a failed validation: of messageExpression if it is one line and not too long, or `message`, or the expression."""
    text = message.value if message is not None and not message.error else None
    if isinstance(text, str):
        text = text.strip()
        if len(text.encode()) <= LONGEST_MESSAGE_BYTES and "\n" not in text and text:
            return text
    return validation.message.strip() or f"failed expression: {validation.expression.strip()}"


def annotated(key: str, expression: str, result: Result, *, fails: bool) -> Annotation:
    """The outcome of an audit annotation's expression."""
    if result.error:
        return Annotation(key, error=result.error if fails else "")
    value: Any = result.value
    if value is None:
        return Annotation(key)
    if isinstance(value, str):
        return Annotation(key, value.strip())
    return Annotation(key, error=UNSUPPORTED.format(expression=expression, type=type_of(value).name))
