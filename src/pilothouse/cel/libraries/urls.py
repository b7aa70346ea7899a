"""Library `kubernetes.urls`: `url('https://host/path')` and its parts, `isURL`."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.cel.costs import STRING_TRAVERSAL, CallEstimate, Estimator, Node, nominal, nominal_estimate, traversal
from pilothouse.cel.declarations import Function, Library, Overload
from pilothouse.cel.errors import EvaluationError
from pilothouse.cel.types import BOOL, STRING, Type, list_of, map_of, object_type
from pilothouse.machinery import url

URL = object_type("kubernetes.URL")


@dataclass(frozen=True, slots=True, eq=False)
class UrlValue:
    """A URL. Equal to URLs of the same text."""

    url: url.URL

    cel_type = URL
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UrlValue):
            raise EvaluationError("no such overload")
        return str(self.url) == str(other.url)

    def __str__(self) -> str:
        return str(self.url)


def to_url(text: str) -> UrlValue:
    """`url(text)`: absolute URLs and absolute paths; the text is parsed again so that a fragment is one."""
    try:
        url.parse_request_uri(text)
        return UrlValue(url.parse(text))
    except ValueError as fault:
        raise EvaluationError(f"URL parse error during conversion from string: {fault}") from None


def is_url(text: str) -> bool:
    """`isURL(text)`."""
    try:
        url.parse_request_uri(text)
    except ValueError:
        return False
    return True


def estimate_parsing(estimator: Estimator, target: Node | None, arguments: list[Node]) -> CallEstimate | None:
    """One traversal; the size of a URL is that of its text."""
    if len(arguments) != 1:
        return None
    size = estimator.size(arguments[0])
    return CallEstimate(size.scaled(STRING_TRAVERSAL), size)


def _getter(name: str, overload: str, attribute: str, result: Type = STRING) -> Function:
    def get(value: UrlValue) -> object:
        return getattr(value.url, attribute)

    return Function(name, (Overload(overload, (URL,), result, get, receiver=True),), nominal, nominal_estimate)


LIBRARY = Library(
    "kubernetes.urls",
    functions=(
        Function("url", (Overload("string_to_url", (STRING,), URL, to_url),), traversal, estimate_parsing),
        _getter("getScheme", "url_get_scheme", "scheme"),
        _getter("getHost", "url_get_host", "host"),
        _getter("getHostname", "url_get_hostname", "hostname"),
        _getter("getPort", "url_get_port", "port"),
        _getter("getEscapedPath", "url_get_escaped_path", "escaped_path"),
        _getter("getQuery", "url_get_query", "query", map_of(STRING, list_of(STRING))),
        Function("isURL", (Overload("is_url_string", (STRING,), BOOL, is_url),)),
    ),
)
