"""Compilation issues with positions, and evaluation errors, in cel-go's words."""

from __future__ import annotations

from dataclasses import dataclass

MOST_ISSUES = 100
LONGEST_SNIPPET = 16384
COST_LIMIT = "operation cancelled: actual cost limit exceeded"
INTERRUPTED = "operation interrupted"


@dataclass(frozen=True, slots=True)
class Issue:
    """A compilation issue: `line` from 1, `column` from 0 in code points, `message` without position."""

    line: int
    column: int
    message: str

    def shown(self, source: str) -> str:
        """cel-go's display: place, message, the line and a caret below the column."""
        if not source:  # the end of nothing has no place in a line
            return f"ERROR: <input>:{self.line}:{self.column}: {self.message}"
        first = f"ERROR: <input>:{self.line}:{self.column + 1}: {self.message}"
        lines = source.split("\n")
        if not 1 <= self.line <= len(lines) or len(lines[self.line - 1].encode()) > LONGEST_SNIPPET:
            return first
        snippet = lines[self.line - 1].replace("\t", " ")
        before = snippet[: self.column]
        dots = "".join("." if sign.isascii() else "．" for sign in before)
        at = snippet[self.column : self.column + 1]
        return f"{first}\n | {snippet}\n | {dots}{'^' if not at or at.isascii() else '＾'}"


class CompileError(Exception):
    """An expression that does not parse or does not type-check. `str()` is cel-go's display of all issues."""

    def __init__(self, source: str, issues: list[Issue]) -> None:
        self.source = source
        self.issues = sorted(issues, key=lambda issue: (issue.line, issue.column))
        shown = [issue.shown(source) for issue in self.issues[:MOST_ISSUES]]
        if len(self.issues) > MOST_ISSUES:
            shown.append(f"{len(self.issues) - MOST_ISSUES} more errors were truncated")
        super().__init__("\n".join(shown))


class EvaluationError(Exception):
    """An evaluation without result. `str()` is cel-go's message: `no such key: x`, `division by zero`.

    `cost` is what had been spent when it ended; it is set by `Program.evaluate`.
    """

    cost: int = 0


class CostLimitExceeded(EvaluationError):
    """The budget was spent. Unlike other errors it is not absorbed by `||`, `&&`, `all` and `exists`."""

    def __init__(self) -> None:
        super().__init__(COST_LIMIT)


class Interrupted(EvaluationError):
    """The caller cancelled the evaluation. Not absorbed either."""

    def __init__(self) -> None:
        super().__init__(INTERRUPTED)


class InternalError(EvaluationError):
    """A fault of cel-go's own, which ends the whole evaluation: its cost of a call fails on arguments that no overload takes."""

    def __init__(self, message: str) -> None:
        super().__init__(f"internal error: {message}")


ABORTS = (CostLimitExceeded, InternalError, Interrupted)
"""Errors that end the evaluation whatever stands around them."""


def no_such_overload(function: str, *types: str) -> EvaluationError:
    """cel-go's error when no overload matches at run time."""
    return EvaluationError(f"no such overload: {function}({', '.join(types)})")
