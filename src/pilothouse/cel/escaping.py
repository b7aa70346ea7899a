"""Names of properties as identifiers of an expression: `a-b` is written `a__dash__b`, `namespace` may be written `__namespace__`."""

from __future__ import annotations

import re

RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"),
        *("package", "namespace", "return", "var", "void", "while"),
    )
)
_ESCAPED = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_WRITTEN = {"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}
_PLAIN = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*")
_TO_ESCAPE = re.compile(r"__|[-./]")
_ESCAPE = re.compile(r"__([^_]+)__")


def escape(name: str) -> str | None:
    """The identifier of a property, None where it has none."""
    if name in RESERVED:
        return f"__{name}__"
    if not _PLAIN.fullmatch(name):
        return None
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], name)


def unescape(identifier: str) -> str | None:
    """The property that an identifier stands for, None for a wrong escape."""
    if "__" not in identifier:
        return identifier
    wrong = False

    def written(match: re.Match[str]) -> str:
        nonlocal wrong
        contents = match[1]
        if contents in RESERVED:
            wrong = wrong or match[0] != identifier
            return contents
        wrong = wrong or contents not in _WRITTEN
        return _WRITTEN.get(contents, "")

    result = _ESCAPE.sub(written, identifier)
    return None if wrong else result
