"""Basic validation of single fields."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
IMMUTABLE = "field is immutable"
PORT_PROTOCOLS = ("SCTP", "TCP", "UDP")
INT32 = 2**31 - 1
PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


NO_LIST = msgspec.Raw(b"null")
"""How upstream tells a list that is not there: without quotes, unlike a missing word."""


def report(messages: Iterable[str], value: Any, problems: Problems, *steps: str | int) -> None:
    """Report messages of `machinery.names` about a value. `steps` lead from `problems` to the field."""
    for message in messages:
        problems.at(*steps).invalid(value, message)


def nonnegative(value: int | None, problems: Problems, *steps: str | int) -> None:
    """Report a number below zero at the path `steps`. Upstream: ValidateNonnegativeField."""
    if value is not None and value < 0:
        problems.at(*steps).invalid(value, NEGATIVE)


def immutable(new: Any, old: Any, problems: Problems, *steps: str | int) -> None:
    """Report a value that differs from the stored one. Upstream: ValidateImmutableField."""
    if new != old:
        problems.at(*steps).invalid(new, IMMUTABLE)


def one_of(value: str, supported: Collection[str], problems: Problems, *steps: str | int) -> None:
    """A required word out of a list."""
    if not value:
        problems.at(*steps).required()
    elif value not in supported:
        problems.at(*steps).not_supported(value, supported)


def optional_one_of(value: str | None, supported: Collection[str], problems: Problems, *steps: str | int) -> None:
    """Report a value that is not in the list; None is allowed, an empty text is not."""
    if value is not None and value not in supported:
        problems.at(*steps).not_supported(value, supported)


def required_name(value: str, problems: Problems, *steps: str | int) -> None:
    """A required name of another object."""
    if not value:
        problems.at(*steps).required()
    else:
        report(names.dns_subdomain(value), value, problems, *steps)


def validate_reference(reference: Any, problems: Problems, *, described: bool = False) -> None:
    """Another object, of whatever kind: what an Ingress or its class refers to."""
    if reference.apiGroup:
        report(names.dns_subdomain(reference.apiGroup), reference.apiGroup, problems, "apiGroup")
    for field in ("kind", "name"):
        value = getattr(reference, field)
        if not value:
            problems.at(field).required(f"{field} is required" if described else "")
        else:
            report(names.path_segment(value), value, problems, field)


def validate_prefixed_path(value: str, problems: Problems) -> None:
    """A name that some domain owns: `acme.io/foo`."""
    domain, _, path = value.partition("/")
    if not value:
        problems.required()
    elif not domain or not path:
        problems.invalid(value, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        report(names.dns_subdomain(domain), domain, problems)
        if not re.fullmatch(PATH, path):
            problems.invalid(path, names.mismatch("Invalid path", PATH))


def port_or_name(value: int | str | None, problems: Problems, *steps: str | int) -> None:
    """The number of a port or the name of one."""
    if isinstance(value, str):
        report(names.port_name(value), value, problems, *steps)
    else:
        report(names.port_number(value or 0), value or 0, problems, *steps)
