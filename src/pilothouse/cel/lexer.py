"""Text to tokens, by cel-go's grammar. Linear in the text; what is no token is reported and skipped, as ANTLR does."""

from __future__ import annotations

import re
from typing import NamedTuple

END = "<EOF>"
IDENTIFIER, ESCAPED, STRING, BYTES = "IDENTIFIER", "ESC_IDENTIFIER", "STRING", "BYTES"
NUM_INT, NUM_UINT, NUM_FLOAT = "NUM_INT", "NUM_UINT", "NUM_FLOAT"
KEYWORDS = frozenset(("in", "true", "false", "null"))

_ESCAPE = r"\\(?:[abfnrtv\"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_TEXT = "|".join(
    (
        rf'"""(?:{_ESCAPE}|[^\\])*?"""',
        rf"'''(?:{_ESCAPE}|[^\\])*?'''",
        rf'"(?:{_ESCAPE}|[^\\"\n\r])*"',
        rf"'(?:{_ESCAPE}|[^\\'\n\r])*'",
        r'[rR]"""[\s\S]*?"""',
        r"[rR]'''[\s\S]*?'''",
        r'[rR]"[^"\n\r]*"',
        r"[rR]'[^'\n\r]*'",
    )
)
_TOKEN = re.compile(
    "|".join(
        (
            r"(?P<skip>[\t \r\n\f]+|//[^\n]*)",
            rf"(?P<BYTES>[bB](?:{_TEXT}))",
            rf"(?P<STRING>{_TEXT})",
            r"(?P<NUM_FLOAT>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)",
            r"(?P<NUM_UINT>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])",
            r"(?P<NUM_INT>0x[0-9a-fA-F]+|[0-9]+)",
            r"(?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*)",
            r"(?P<ESC_IDENTIFIER>`[A-Za-z0-9_./ -]+`)",
            r"(?P<sign>==|!=|<=|>=|&&|\|\||[<>\[\]{}().,!?:+*/%-])",
        )
    )
)
_HALF = r"(?:\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?)?"
_BROKEN = re.compile(
    rf"[bB]?(?:\"(?:{_ESCAPE}|[^\\\"\n\r])*{_HALF}|'(?:{_ESCAPE}|[^\\'\n\r])*{_HALF}"
    r"|[rR]\"[^\"\n\r]*|[rR]'[^'\n\r]*)|`[A-Za-z0-9_./ -]*|=|&|\|"
)
"""The beginning of a token that does not go on as it should; the sign that breaks it belongs to the error."""


class Token(NamedTuple):
    """A token: its kind (the sign itself for operators and keywords), its text and its offset in code points."""

    kind: str
    text: str
    offset: int


class LexError(NamedTuple):
    """Signs that begin no token."""

    offset: int
    message: str


def tokens(text: str) -> tuple[list[Token], list[LexError]]:
    """All tokens, ended by one of kind `<EOF>`, and what could not be read."""
    read: list[Token] = []
    errors: list[LexError] = []
    position, end = 0, len(text)
    match = _TOKEN.match
    while position < end:
        token = match(text, position)
        if token is None:
            stop = _end_of_broken(text, position)
            errors.append(LexError(position, f"token recognition error at: '{text[position:stop]}'"))
            position = stop
            continue
        kind = token.lastgroup or ""
        if kind != "skip":
            word = token.group()
            read.append(Token(word if kind == "sign" or word in KEYWORDS else kind, word, position))
        position = token.end()
    read.append(Token(END, END, end))
    return read, errors


def _end_of_broken(text: str, position: int) -> int:
    broken = _BROKEN.match(text, position)
    if broken is None:
        return position + 1
    return min(broken.end() + 1, len(text))


def shown(text: str) -> str:
    """A text as it stands in ANTLR's messages."""
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
