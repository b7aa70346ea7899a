"""Library `kubernetes.jsonpatch`: `jsonpatch.escapeKey`. Only mutating policies have it, so it is not among `libraries/`."""

from __future__ import annotations

from pilothouse.cel.costs import STRING_TRAVERSAL, CallEstimate, Estimator, Node, traversal
from pilothouse.cel.declarations import Function, Library, Overload
from pilothouse.cel.types import STRING
from pilothouse.machinery.patch.json import step_of


def escaping_estimate(estimator: Estimator, target: Node | None, arguments: list[Node]) -> CallEstimate | None:
    """One traversal; the result is estimated to be as long as the key, as upstream does."""
    if len(arguments) != 1:
        return None
    size = estimator.size(arguments[0])
    return CallEstimate(size.scaled(STRING_TRAVERSAL), size)


LIBRARY = Library(
    "kubernetes.jsonpatch",
    functions=(
        Function(
            "jsonpatch.escapeKey",
            (Overload("string_jsonpatch_escapeKey_string", (STRING,), STRING, step_of),),
            traversal,
            escaping_estimate,
        ),
    ),
)
