"""Reading the tokens of a CEL expression, with ANTLR's errors for tokens that do not fit."""

from __future__ import annotations

from pilothouse.cel import lexer
from pilothouse.cel.errors import Issue
from pilothouse.cel.lexer import END, Token

LEVELS = {
    **{"||": 1, "&&": 2},
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%"), 5),
}
"""Precedence of the binary operators, from the weakest."""
OPERAND_KINDS = frozenset(
    (
        *("true", "false", "null", "-", ".", "(", "[", "{", "!"),
        *(lexer.STRING, lexer.BYTES, lexer.NUM_INT, lexer.NUM_UINT, lexer.NUM_FLOAT, lexer.IDENTIFIER),
    )
)
"""Tokens that an operand may begin with."""


class ParsingEnded(Exception):
    """A syntax error after which nothing more can be parsed."""


def place(text: str, offset: int) -> tuple[int, int]:
    """Line (from 1) and column (from 0) of an offset."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1)


class TokenReader:
    """Reads the tokens of `text` in order, and collects the issues."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.issues: list[Issue] = []
        self._tokens, errors = lexer.tokens(text)
        for error in errors:
            self.report(error.offset, f"Syntax error: {error.message}")
        self._next = 0
        self._open: list[str] = []

    def report(self, offset: int, message: str) -> None:
        """Note a problem at a place."""
        line, column = place(self.text, offset)
        self.issues.append(Issue(line, column, message))

    @property
    def _kind(self) -> str:
        return self._tokens[self._next].kind

    def _advance(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _accept(self, kind: str) -> bool:
        if self._kind != kind:
            return False
        self._next += 1
        return True

    def _match(self, kind: str, expecting: str = "") -> Token:
        """Take a token of this kind. A superfluous one before it is left out, a missing one is assumed; otherwise parsing ends."""
        token = self._tokens[self._next]
        if token.kind != kind:
            wanted = expecting or f"'{kind}'"
            if token.kind != END and self._tokens[self._next + 1].kind == kind:
                self._complain("extraneous", wanted)
                self._next += 1
            elif self._may_be_missing(kind, token.kind):
                self.report(token.offset, f"Syntax error: missing {wanted} at '{lexer.shown(token.text)}'")
                return token
            else:
                raise self._fail(wanted)
        return self._advance()

    def _may_be_missing(self, kind: str, following: str) -> bool:
        """Whether parsing may go on as if a token of this kind stood before the following one."""
        if kind == ":":
            return following in OPERAND_KINDS
        if kind not in (")", "]", "}"):
            return False
        after = (END,) if len(self._open) < 2 else (self._open[-2], ",")
        return following in LEVELS or following in after or following in (".", "[", "?")

    def _no_alternative(self, start: Token) -> ParsingEnded:
        """What ANTLR says when no way leads on from a token."""
        token = self._tokens[self._next]
        end = token.offset + len(token.text) if token.kind != END else token.offset
        self.report(token.offset, f"Syntax error: no viable alternative at input '{lexer.shown(self.text[start.offset : end])}'")
        raise ParsingEnded

    def _complain(self, how: str, expecting: str) -> None:
        token = self._tokens[self._next]
        self.report(token.offset, f"Syntax error: {how} input '{lexer.shown(token.text)}' expecting {expecting}")

    def _fail(self, expecting: str) -> ParsingEnded:
        self._complain("mismatched", expecting)
        raise ParsingEnded
