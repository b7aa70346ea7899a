"""Expansion of `$(VAR)` in commands, arguments, values and subPathExpr, as upstream does it. Pure.

`$$` is a literal `$`; a reference to nothing stays as it is written; only `$(...)` is a reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def expand(text: str, values: Mapping[str, str], missing: list[str] | None = None) -> str:
    """`text` with variable references replaced; unknown names are added to `missing`."""
    if "$" not in text:
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char != "$" or at + 1 >= len(text):
            out.append(char)
            at += 1
            continue
        written, length = _operator(text[at + 1 :], values, missing)
        out.append(written)
        at += 1 + length
    return "".join(out)


def _operator(rest: str, values: Mapping[str, str], missing: list[str] | None) -> tuple[str, int]:
    """What stands for a `$` followed by `rest`, and how much of `rest` that used up."""
    if rest[0] == "$":
        return "$", 1
    if rest[0] != "(":
        return "$" + rest[0], 1
    end = rest.find(")")
    if end < 0:
        return "$(", 1
    name = rest[1:end]
    if name in values:
        return values[name], end + 1
    if missing is not None:
        missing.append(name)
    return f"$({name})", end + 1


def expand_all(texts: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """All texts with variable references replaced."""
    return [expand(text, values) for text in texts]
