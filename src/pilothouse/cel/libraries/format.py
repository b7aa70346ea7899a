"""Library `kubernetes.format`: named formats of texts, `format.dns1123Label().validate(name)`.

`validate` gives no optional value for a text that fits, else what is wrong with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.cel.costs import REGEX_LENGTH, STRING_TRAVERSAL, CallEstimate, Estimator, Node, nominal, nominal_estimate
from pilothouse.cel.declarations import Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.types import STRING, list_of, object_type, optional_of
from pilothouse.cel.values import NONE, Optional, size_of
from pilothouse.machinery import names, strfmt, url

FORMAT = object_type("kubernetes.NamedFormat")
LARGEST_NAME, LARGEST_NAME_REGEX = 64, 128
"""What estimates assume of a format's name and of its expression."""
URL_REGEX, BASE64_REGEX = 1103, 84


@dataclass(frozen=True, slots=True, eq=False)
class FormatValue:
    """A format. `regex_size` is the length of the expression that stands for its check in costs."""

    name: str
    faults: Callable[[str], Sequence[str]]
    regex_size: int

    cel_type = FORMAT
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FormatValue):
            raise EvaluationError("no such overload")
        return self.name == other.name

    def __str__(self) -> str:
        return self.name


def _prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """A rule of names for what a generated suffix follows: a dash at the end is allowed."""

    def faults(text: str) -> list[str]:
        return check(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)

    return faults


def _uri(text: str) -> list[str]:
    try:
        url.parse_request_uri(text)
    except ValueError as fault:
        return [str(fault)]
    return []


def _unless(fits: Callable[[str], bool], fault: str) -> Callable[[str], list[str]]:
    return lambda text: [] if fits(text) else [fault]


FORMATS = {
    "dns1123Label": FormatValue("DNS1123Label", names.dns_label, 30),
    "dns1123Subdomain": FormatValue("DNS1123Subdomain", names.dns_subdomain, 60),
    "dns1035Label": FormatValue("DNS1035Label", names.dns1035_label, 30),
    "qualifiedName": FormatValue("QualifiedName", names.qualified_name, 60),
    "dns1123LabelPrefix": FormatValue("DNS1123LabelPrefix", _prefix(names.dns_label), 30),
    "dns1123SubdomainPrefix": FormatValue("DNS1123SubdomainPrefix", _prefix(names.dns_subdomain), 60),
    "dns1035LabelPrefix": FormatValue("DNS1035LabelPrefix", _prefix(names.dns1035_label), 30),
    "labelValue": FormatValue("LabelValue", names.label_value, 40),
    "uri": FormatValue("URI", _uri, URL_REGEX),
    "uuid": FormatValue("uuid", _unless(strfmt.is_uuid, "does not match the UUID format"), len(strfmt.UUID_PATTERN)),
    "byte": FormatValue("byte", _unless(strfmt.is_base64, "invalid base64"), BASE64_REGEX),
    "date": FormatValue("date", _unless(strfmt.is_date, "invalid date"), len(strfmt.DATE_TIME_PATTERN)),
    "datetime": FormatValue("datetime", _unless(strfmt.is_date_time, "invalid datetime"), len(strfmt.DATE_TIME_PATTERN)),
}
"""By the name that an expression calls."""


def named(name: str) -> Optional:
    """`format.named(name)`."""
    return Optional.of(FORMATS[name]) if name in FORMATS else NONE


def validate(form: FormatValue, text: str) -> Optional:
    """`form.validate(text)`."""
    faults = form.faults(text)
    return Optional.of(list(faults)) if faults else NONE


def validation_cost(arguments: Sequence[Any], result: Any) -> int:
    """Cost of matching a regular expression of the format's length."""
    form: FormatValue = arguments[0]
    return math.ceil((1.0 + size_of(arguments[1])) * STRING_TRAVERSAL) * math.ceil(form.regex_size * REGEX_LENGTH)


def validation_estimate(estimator: Estimator, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """Estimate for the longest regular expression."""
    if not arguments:
        return None
    return CallEstimate(estimator.size(arguments[0]).scaled(STRING_TRAVERSAL).scaled(LARGEST_NAME_REGEX * REGEX_LENGTH))


def _constant(name: str, form: FormatValue) -> Function:
    return Function(f"format.{name}", (Overload(f"format.{name}", (), FORMAT, lambda: form),))


LIBRARY = Library(
    "kubernetes.format",
    since=31,
    functions=(
        *(_constant(name, form) for name, form in FORMATS.items()),
        Function("format.named", (Overload("format-named", (STRING,), optional_of(FORMAT), named),), nominal, nominal_estimate),
        Function(
            "validate",
            (Overload("format-validate", (FORMAT, STRING), optional_of(list_of(STRING)), validate, receiver=True),),
            validation_cost,
            validation_estimate,
        ),
    ),
)
