"""Validation of defaults by their schema.

`check_rules` (the CEL rules of a schema, run on its own default) is given by who can run them.

Upstream: apiextensions-apiserver pkg/apiserver/schema/defaulting (validation.go, surroundingobject.go).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import aggregate
from pilothouse.machinery.structural import embedding, pruning
from pilothouse.machinery.structural.explaining import explain
from pilothouse.machinery.structural.failures import report
from pilothouse.machinery.structural.numbers import deep_equal
from pilothouse.machinery.structural.schema import META_FIELDS, Node, parse

HEAD = {"apiVersion": "validation/v1", "kind": "Validation"}
CheckRules = Callable[[Node, Any, Problems, bool], None]
"""Runs the rules of a node on its default and reports; the last says whether the node is a resource."""


@dataclass(frozen=True, slots=True)
class Place:
    """Position of a schema below its resource: the resource's schema and the steps down (None: into items)."""

    resource: Node
    steps: tuple[str | None, ...] = ()
    in_head: bool = False

    def around(self, value: Any) -> dict[str, Any]:
        """A resource with the value at this place."""
        for step in reversed(self.steps):
            value = [value] if step is None else {step: value}
        return HEAD | value if isinstance(value, dict) else dict(HEAD)


def validate(schema: dict[str, Any], problems: Problems, *, pruned: bool, check_rules: CheckRules | None = None) -> None:
    """Report what is wrong with the defaults of a resource's schema; `pruned` asks that they have no unknown fields."""
    root = parse(schema, faithful=True)
    root.embedded = True
    _validate(root, Place(root), problems, pruned, check_rules)


def _validate(node: Node, place: Place, problems: Problems, pruned: bool, check_rules: CheckRules | None) -> None:
    if node.embedded:
        place = Place(node)
    if node.default is not None:
        _validate_default(node, place, problems.at("default"), pruned, check_rules)
    if node.items is not None:
        _validate(node.items, Place(place.resource, (*place.steps, None), place.in_head), problems.at("items"), pruned, check_rules)
    for name in sorted(node.properties):
        in_head = place.in_head or (node.embedded and name in META_FIELDS)
        below = Place(place.resource, (*place.steps, name), in_head)
        _validate(node.properties[name], below, problems.at("properties", f"[{name}]"), pruned, check_rules)


def _validate_default(node: Node, place: Place, problems: Problems, pruned: bool, check_rules: CheckRules | None) -> None:
    default, before = node.default, len(problems.found)
    if place.in_head:
        _validate_head(copy.deepcopy(default), place, problems)
    else:
        if pruned:
            kept = copy.deepcopy(default)
            pruning.prune(kept, node, root=node.embedded)
            if not deep_equal(kept, default):
                problems.invalid(default, "must not have unknown fields")
                before += 1
        try:
            embedding.coerce(copy.deepcopy(default), node, drop_invalid=False, prefix=problems.path)
        except embedding.Unreadable as error:
            problems.found.append(error.problem)
        else:
            embedding.validate(default, node, problems)
    if len(problems.found) == before:
        report(explain(node, default, "").failures, problems)
    if len(problems.found) == before and check_rules is not None:
        check_rules(node, default, problems, node is place.resource)


def _validate_head(default: Any, place: Place, problems: Problems) -> None:
    """A default within apiVersion, kind or metadata is validated in a resource around it."""
    whole = place.around(default)
    told = Problems()
    try:
        embedding.coerce(whole, place.resource, drop_invalid=False)
        embedding.validate(whole, place.resource, told)
    except ValueError as error:
        problems.invalid(default, f"must result in valid metadata: {error}")
        return
    if told:
        problems.invalid(default, f"must result in valid metadata: {aggregate(map(str, told.found))}")
