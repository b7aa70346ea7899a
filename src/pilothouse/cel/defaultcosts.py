"""Estimated cost of calls of cel-go's standard functions, by overload; whatever is not named costs 1."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.cel.costs import MOST, ONE, REGEX_LENGTH, STRING_TRAVERSAL, UNKNOWN, CallEstimate, Node, Range

_ORDERS = ("less", "less_equals", "greater", "greater_equals")
COMPARISONS = frozenset(("equals", "not_equals", *(f"{order}_{kind}" for order in _ORDERS for kind in ("string", "bytes"))))
CONCATENATIONS = ("add_string", "add_bytes", "add_list")


def _size(node: Node) -> Range:
    return node.computed_size or UNKNOWN


def default_estimate(overload: str, target: Node | None, arguments: Sequence[Node], argument_costs: Sequence[Range]) -> CallEstimate:
    """Cost of a call with its arguments (without its target)."""
    if overload in ("logical_or", "logical_and"):
        left, right = argument_costs
        return CallEstimate(Range(left.least, left.plus(right).most))
    if overload == "conditional":
        condition, yes, no = argument_costs
        return CallEstimate(condition.plus(yes.united(no)), _size(arguments[1]).united(_size(arguments[2])))
    total = Range(0, 0)
    for cost in argument_costs:
        total = total.plus(cost)
    own = _own(overload, target, arguments) or CallEstimate(ONE)
    return CallEstimate(total.plus(own.cost), own.result_size)


def _own(overload: str, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    if overload in COMPARISONS:
        most = min(_size(arguments[0]).most, _size(arguments[1]).most)
        return CallEstimate(Range(1 if most else 0, most).scaled(STRING_TRAVERSAL))
    if overload in CONCATENATIONS and len(arguments) == 2:
        size = _size(arguments[0]).plus(_size(arguments[1]))
        return CallEstimate(ONE if overload == "add_list" else size.scaled(STRING_TRAVERSAL), size)
    if overload == "in_list" and len(arguments) == 2:
        return CallEstimate(_size(arguments[1]))
    if overload in ("starts_with_string", "ends_with_string") and len(arguments) == 1:
        return CallEstimate(_size(arguments[0]).scaled(STRING_TRAVERSAL))
    if overload == "string_format" and target is not None:
        return CallEstimate(_size(target).scaled(STRING_TRAVERSAL))
    if overload in ("string_to_bytes", "bytes_to_string", "strings_quote") and len(arguments) == 1:
        size = _size(arguments[0])
        return CallEstimate(size.scaled(STRING_TRAVERSAL), _converted(overload, size))
    return _searched(overload, target, arguments)


def _searched(overload: str, target: Node | None, arguments: Sequence[Node]) -> CallEstimate | None:
    """Calls that go through a text for each part of another."""
    if overload == "contains_string" and target is not None and len(arguments) == 1:
        return CallEstimate(_size(target).scaled(STRING_TRAVERSAL).multiplied(_size(arguments[0]).scaled(STRING_TRAVERSAL)))
    nodes = (*((target,) if target is not None else ()), *arguments)
    if overload == ("matches" if target is None else "matches_string") and len(nodes) == 2:
        text = _size(nodes[0]).plus(ONE).scaled(STRING_TRAVERSAL)
        return CallEstimate(text.multiplied(_size(nodes[1]).scaled(REGEX_LENGTH)))
    return None


def _converted(overload: str, size: Range) -> Range:
    """The size of the result; upstream's products overflow 64 bits."""
    if overload == "string_to_bytes":
        return Range(size.least, size.most * 4 & MOST)
    if overload == "bytes_to_string":
        return Range(size.least // 4, size.most)
    return Range(size.least + 2 & MOST, size.most * 2 + 2 & MOST)


def _url_equality(right: Node) -> CallEstimate:
    """Upstream takes the size of the right side for both."""
    most = 1 if right.computed_size is None else right.computed_size.most
    return CallEstimate(Range(1, most).scaled(STRING_TRAVERSAL))


def _single(_: Node) -> CallEstimate:
    return CallEstimate(ONE)


_EQUALITY = {
    **dict.fromkeys(("net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"), _single),
    **{f"kubernetes.authorization.{name}": _single for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")},
    "kubernetes.NamedFormat": lambda _: CallEstimate(Range(1, 64).scaled(STRING_TRAVERSAL)),
    "kubernetes.URL": _url_equality,
}
"""Estimates of `==` by the type of both sides, from the right side."""


def equality_estimate(name: str, right: Node) -> CallEstimate | None:
    """Cost of `==` of two values of a type of Kubernetes' own; None for other types."""
    estimate = _EQUALITY.get(name)
    return estimate(right) if estimate is not None else None
