"""What a YAML document may not be: nested without end, or unfolding by aliases into more than fits.

The C composer recurses without looking at its stack, so depth is bounded before it is called; the parser's events, by which
it is measured, need no stack. Aliases share what they name, but whoever encodes or copies the result walks it each time.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

DEPTH_LIMIT = 500
NODES_LIMIT = 4_000_000
"""Values of a document with all its aliases unfolded."""
INDENTATION = re.compile(r"^[ \t?-]*", re.MULTILINE)
TOO_DEEP = "exceeded max depth"
SCANNER_TOO_DEEP = "exceeded maximum nesting depth"
"""libyaml's own word from 0.2.6 on: its scanner looks ahead of the events, so that it may be the first to find out."""
TOO_MANY = "document contains excessive aliasing"


def check_depth(text: str, loader: Any) -> None:
    """ValueError when `text` is nested deeper than DEPTH_LIMIT."""
    if not may_be_deep(text):
        return
    try:
        if deepest(text, loader) > DEPTH_LIMIT:
            raise ValueError(TOO_DEEP)
    except yaml.MarkedYAMLError as error:
        if error.problem == SCANNER_TOO_DEEP:
            raise ValueError(TOO_DEEP) from error
        raise


def deepest(text: str, loader: Any) -> int:
    """How deep the document is nested; no more of it is read than shows that this is beyond DEPTH_LIMIT."""
    depth = most = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            depth += 1
            most = max(most, depth)
            if most > DEPTH_LIMIT:
                break
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            depth -= 1
    return most


def may_be_deep(text: str) -> bool:
    """A cheap bound: each level takes a bracket, or at least one character at the beginning of a line."""
    brackets = text.count("[") + text.count("{")
    widest = max((len(one) for one in INDENTATION.findall(text)), default=0)
    return brackets + 2 * widest + 2 > DEPTH_LIMIT


def check_size(value: Any) -> None:
    """ValueError when the document unfolds into more than NODES_LIMIT values. Its depth has been checked."""
    sizes: dict[int, int] = {}

    def size(one: Any) -> int:
        if not isinstance(one, (dict, list)):
            return 1
        known = sizes.get(id(one))
        if known is None:
            sizes[id(one)] = NODES_LIMIT + 1  # of what contains itself
            children = one.values() if isinstance(one, dict) else one
            known = sizes[id(one)] = 1 + sum(size(each) for each in children)
        if known > NODES_LIMIT:
            raise ValueError(TOO_MANY)
        return known

    size(value)
