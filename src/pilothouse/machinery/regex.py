"""Regular expressions of Go's syntax, matched in time linear in the text: patterns that users write into schemas and CEL rules.

- Python's `re` backtracks: a pattern such as `^(a+)+$` would hold the server for ever. RE2, from which Go's regexp comes, does not.
- Short texts against flat ASCII patterns are matched by `re`, which is four times as fast and cannot backtrack far there (`_flat`).
- Errors are ValueErrors in the words of Go's regexp/syntax.
- Patterns are compiled once and kept, the last thousand of them.

Upstream: Go's packages regexp and regexp/syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pilothouse.machinery import strconv

SHORT_TEXT = 256
"""A text up to this length is given to `re` where the pattern is flat: at most `SHORT_TEXT ** REPEATS` steps."""
REPEATS = 2
COUNTS = range(1001)

ERRORS = {
    "bad repetition operator": "invalid nested repetition operator",
    "invalid character class": "invalid character class",
    "invalid character class range": "invalid character class range",
    "invalid escape sequence": "invalid escape sequence",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "trailing \\": "trailing backslash at end of expression",
    "unexpected )": "unexpected )",
    "invalid UTF-8": "invalid UTF-8",
}
"""RE2's errors, and Go's words for them."""

_IN_CLASS = r"(?:[A-Za-z0-9_./:@#%&=,;!~+*?(){}|$<> ]|\\[.\-/dw_\[\]\\])"
_CLASS = rf"\[\^?(?:{_IN_CLASS}|-(?=\]))(?:{_IN_CLASS}|-)*\]"
_ITEM = rf"(?:[A-Za-z0-9_ /:@#%&=,;<>!~\"'`-]|\\[.\-/dw_:+*?()\[\]{{}}|^$@]|{_CLASS})"
_COUNT = r"(?:\?|\{[0-9]{1,2}\}|\{[0-9]{1,2},[0-9]{1,2}\}|\+|\*)?"
_FLAT = re.compile(rf"\^(?:{_ITEM}{_COUNT}|\((?:{_ITEM}{_COUNT})+\)\??)*\$")
_GROWS = re.compile(r"(?<!\\)[*+]|\{[0-9]+,[0-9]*\}")
_TOKEN = re.compile(
    r"(?P<any>\\C)|(?P<name>\(\?P?<(?P<inner>[^>]*)(?P<close>>)?)|\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\[:[^]]*?:\]|\\.|[^]\\])*(?:\]|\Z)|.",
    re.DOTALL,
)
_COUNTS = re.compile(r"\{([0-9]+)(?:,([0-9]*))?\}\??\Z")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_OPEN_ENDED = ("missing )", "missing ]", "trailing", "invalid named", "pattern too large")
"""Errors of RE2 that say that a pattern is cut off."""
MEMORY = 16 << 20
"""Bytes that RE2 may take for one pattern; it refuses a larger pattern, and forgets states that it has seen instead of taking more."""


class Regex:
    """A compiled pattern. `search` says whether it matches anywhere in a text, as Regexp.MatchString does."""

    __slots__ = ("_anywhere", "_compiled", "_engine", "_flat", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._compiled = _compiled(pattern)
        self._engine, self._anywhere = self._compiled._regexp.Match, _anywhere()
        self._flat = _flat(pattern)

    def search(self, text: str) -> bool:
        """Whether the pattern matches somewhere in the text."""
        if self._flat is not None and len(text) <= SHORT_TEXT:
            return self._flat.search(text) is not None
        encoded = text.encode(errors="replace")
        return bool(self._engine(self._anywhere, encoded, 0, len(encoded))[0][0] >= 0)

    def spans(self, text: str) -> Iterator[list[tuple[int, int]]]:
        """Each match that does not overlap the last: the span of the whole and of each group (-1, -1 where a group has none)."""
        for match in self._compiled.finditer(text):
            yield [match.span(group) for group in range(self._compiled.groups + 1)]

    def find(self, text: str) -> str | None:
        """The first match, or None."""
        return next(iter(self.find_all(text, 1)), None)

    def find_all(self, text: str, limit: int = -1) -> list[str]:
        """The matches from left to right, at most `limit` of them where it is not negative."""
        matches: list[str] = []
        if limit == 0:
            return matches
        end_of_last = -1
        for match in self._compiled.finditer(text):
            start, end = match.span()
            if start == end == end_of_last:  # Go leaves out an empty match right after another match
                continue
            matches.append(text[start:end])
            end_of_last = end
            if len(matches) == limit:
                break
        return matches


@lru_cache(maxsize=1000)
def compile(pattern: str) -> Regex:
    """The compiled pattern; ValueError ("error parsing regexp: ...") where Go's regexp.Compile refuses it."""
    return Regex(pattern)


def problem(pattern: str) -> str:
    """Error of Go's regexp.Compile for the pattern; "" when it is valid."""
    try:
        compile(pattern)
    except ValueError as error:
        return str(error)
    return ""


def _compiled(pattern: str) -> Any:
    import re2  # takes 25 ms: not before a pattern is met

    options = re2.Options()
    options.log_errors, options.max_mem = False, MEMORY
    refused, at = _refused_by_go(pattern)
    try:
        if refused:
            re2.compile(pattern[:at], options)
    except re2.error as error:
        if not error.args[0].decode(errors="replace").startswith(_OPEN_ENDED):
            refused = ""  # what is wrong before it comes first
    if refused:
        raise ValueError(f"error parsing regexp: {refused}")
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        message = error.args[0].decode(errors="replace")
        raise ValueError(f"error parsing regexp: {_in_words_of_go(message, pattern)}") from None


def _refused_by_go(pattern: str) -> tuple[str, int]:
    """The first thing that RE2 takes, or names otherwise, and Go refuses; and where it stands (the end where there is none)."""
    if "\\C" not in pattern and "(?<" not in pattern and "(?P<" not in pattern:
        return "", len(pattern)
    for token in _TOKEN.finditer(pattern):
        if token["any"]:
            return f"invalid escape sequence: `{token['any']}`", token.start()
        if token["name"] and not token["close"]:
            return f"invalid named capture: `{pattern[token.start() :]}`", token.start()
        if token["name"] and not _NAME.fullmatch(token["inner"]):
            return f"invalid named capture: `{token['name']}`", token.start()
    return "", len(pattern)


def _in_words_of_go(message: str, pattern: str) -> str:
    """Go's message for an error of RE2, whose texts end with the part of the pattern that is wrong."""
    if message.startswith("pattern too large"):
        return f"expression too large: `{pattern}`"
    theirs = next(text for text in sorted(ERRORS, key=len, reverse=True) if message.startswith(text))
    part, words = message[len(theirs) :].removeprefix(": "), ERRORS[theirs]
    count = _COUNTS.search(part) if "repetition" in theirs else None
    if count is None:
        return f"{words}: `{part}`"
    least, most = strconv.integer(count[1], COUNTS), strconv.integer(count[2] or count[1], COUNTS)
    if least is None or most is None or (count[2] and least > most):  # Go looks at the numbers first
        return f"invalid repeat count: `{count[0].removesuffix('?')}`"
    return f"{words}: `{part}`"


def _flat(pattern: str) -> re.Pattern[str] | None:
    """The pattern for `re` where it is anchored, ASCII, without nested repetition and of few repetitions: the two engines then agree."""
    if not pattern.isascii() or len(pattern) > SHORT_TEXT or _FLAT.fullmatch(pattern) is None or len(_GROWS.findall(pattern)) > REPEATS:
        return None
    return re.compile(pattern[:-1] + r"\Z", re.ASCII)


def _anywhere() -> Any:
    import re2

    return re2._re2.RE2.Anchor.UNANCHORED
