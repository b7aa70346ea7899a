"""URLs as Go's package net/url reads and writes them; errors are ValueErrors in its words.

- `parse` takes relative references, `parse_request_uri` only absolute URLs and absolute paths (OpenAPI's format `uri`).
- Texts may hold octets that are no UTF-8 after unescaping: they stand as `surrogateescape` has them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pilothouse.machinery import netip
from pilothouse.machinery.quoting import go_quoted

MOST_PARAMETERS = 10000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
UNRESERVED = frozenset(LETTERS + DIGITS + "-_.~")
PATH = UNRESERVED | frozenset("$&+,/:;=@")
HOST = UNRESERVED | frozenset("!$&'()*+,;=:[]<>\"")
PASSWORD = UNRESERVED | frozenset("$&+,;=")
QUERY = UNRESERVED
FRAGMENT = UNRESERVED | frozenset("$&+,/:;=?@!()*")
"""What each part of a URL may hold unescaped."""
USER = frozenset(LETTERS + DIGITS + "-._:~!$&'()*+,;=%@")
WRITTEN_PATH, WRITTEN_FRAGMENT = PATH | frozenset("!'()*[]%;"), FRAGMENT | frozenset("!'()*[]%;")
"""What a part may hold to be shown as it was written."""
HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class URL:
    """Parts of a URL. `path` is unescaped; `raw_path` is the original text where escaping `path` gives another."""

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    password: str | None = None
    host: str = ""
    path: str = ""
    raw_path: str = ""
    omit_host: bool = False
    force_query: bool = False
    raw_query: str = ""
    fragment: str = ""
    raw_fragment: str = ""

    @property
    def hostname(self) -> str:
        """The host without port and brackets."""
        return _split_host(self.host)[0]

    @property
    def port(self) -> str:
        """The port as it was written, empty where there is none."""
        return _split_host(self.host)[1]

    @property
    def escaped_path(self) -> str:
        """The path as written if valid, else escaped."""
        if self.raw_path and WRITTEN_PATH.issuperset(_octets(self.raw_path)):
            return self.raw_path
        return "*" if self.path == "*" else _escape(self.path, PATH)

    @property
    def query(self) -> dict[str, list[str]]:
        """Parameters by name; what is malformed is left out."""
        return parse_query(self.raw_query)

    def __str__(self) -> str:
        text = f"{self.scheme}:" if self.scheme else ""
        text = text + self.opaque if self.opaque else self._with_authority(text)
        if self.force_query or self.raw_query:
            text += f"?{self.raw_query}"
        if self.fragment:
            written = self.raw_fragment if WRITTEN_FRAGMENT.issuperset(_octets(self.raw_fragment)) else ""
            text += f"#{written or _escape(self.fragment, FRAGMENT)}"
        return text

    def _with_authority(self, text: str) -> str:
        path = self.escaped_path
        named = bool(self.scheme or self.host or self.user is not None)
        if named and not (self.omit_host and not self.host and self.user is None):
            text += "//" if self.host or self.path or self.user is not None else ""
            text += f"{self._user_info}@" if self.user is not None else ""
            text += _escape(self.host, HOST)
        if path and path[0] != "/" and self.host:
            text += "/"
        if not text and ":" in path.partition("/")[0]:
            text = "./"
        return text + path

    @property
    def _user_info(self) -> str:
        user = _escape(self.user or "", PASSWORD)
        return user if self.password is None else f"{user}:{_escape(self.password, PASSWORD)}"


def parse(text: str) -> URL:
    """url.Parse."""
    before, _, fragment = text.partition("#")
    url = _checked(before, False)
    if not fragment:
        return url
    try:
        plain = _unescape(fragment, "fragment")
    except ValueError as fault:
        raise ValueError(f"parse {go_quoted(text)}: {fault}") from None
    return replace(url, fragment=plain, raw_fragment="" if _escape(plain, FRAGMENT) == fragment else fragment)


def parse_request_uri(text: str) -> URL:
    """url.ParseRequestURI: no relative references; a fragment is taken for a part of path or query."""
    return _checked(text, True)


def parse_query(query: str) -> dict[str, list[str]]:
    """url.Values of a query; malformed parameters are left out, and all of them when there are too many."""
    values: dict[str, list[str]] = {}
    if query.count("&") >= MOST_PARAMETERS:
        return values
    for setting in query.split("&"):
        if not setting or ";" in setting:
            continue
        key, _, value = setting.partition("=")
        try:
            name, plain = _unescape(key, "query"), _unescape(value, "query")
        except ValueError:
            continue
        values.setdefault(name, []).append(plain)
    return values


def _checked(text: str, via_request: bool) -> URL:
    try:
        return _parse(text, via_request)
    except ValueError as fault:
        raise ValueError(f"parse {go_quoted(text)}: {fault}") from None


def _parse(text: str, via_request: bool) -> URL:
    if any(sign < " " or sign == "\x7f" for sign in text):
        raise ValueError("net/url: invalid control character in URL")
    if not text and via_request:
        raise ValueError("empty url")
    if text == "*":
        return URL(path="*")
    scheme, rest = _scheme(text)
    force_query = rest.endswith("?") and rest.count("?") == 1
    rest, _, query = rest.partition("?")
    url = URL(scheme=scheme.lower(), force_query=force_query, raw_query=query)
    if not rest.startswith("/"):
        if scheme:
            return replace(url, opaque=rest)
        if via_request:
            raise ValueError("invalid URI for request")
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (scheme or (not via_request and not rest.startswith("///"))):
        authority, slash, path = rest[2:].partition("/")
        return _with_path(_with_authority(url, authority), slash + path)
    return _with_path(replace(url, omit_host=bool(scheme) and rest.startswith("/")), rest)


def _scheme(text: str) -> tuple[str, str]:
    for position, sign in enumerate(text):
        if sign in LETTERS:
            continue
        if sign == ":" and position == 0:
            raise ValueError("missing protocol scheme")
        if sign == ":":
            return text[:position], text[position + 1 :]
        if position == 0 or sign not in "0123456789+-.":
            break
    return "", text


def _with_path(url: URL, written: str) -> URL:
    path = _unescape(written, "path")
    return replace(url, path=path, raw_path="" if _escape(path, PATH) == written else written)


def _with_authority(url: URL, authority: str) -> URL:
    info, at, host = authority.rpartition("@")
    url = replace(url, host=_host(url.scheme, host))
    if not at:
        return url
    if not all(sign in USER for sign in info):
        raise ValueError("net/url: invalid userinfo")
    user, colon, password = info.partition(":")
    plain = _unescape(user, "password")
    return replace(url, user=plain, password=_unescape(password, "password") if colon else None)


def _host(scheme: str, host: str) -> str:
    opening = host.rfind("[")
    if opening > 0:
        raise ValueError("invalid IP-literal")
    if opening == 0:
        return _bracketed_host(host)
    first = host.find(":")
    if first >= 0:
        start = first if scheme in ("http", "https") else host.rfind(":")
        _check_port(host[start:])
    return _unescape(host, "host")


def _bracketed_host(host: str) -> str:
    closing = host.rfind("]")
    if closing < 0:
        raise ValueError("missing ']' in host")
    _check_port(host[closing + 1 :])
    port = _unescape(host[closing + 1 :], "host")
    name = host[1:closing]
    zone = name.find("%25")
    plain = _unescape(name, "host") if zone < 0 else _unescape(name[:zone], "host") + _unescape(name[zone:], "zone")
    try:
        address = netip.parse_addr(plain)
    except ValueError as fault:
        raise ValueError(f"invalid host: {fault}") from None
    if address.is4:
        raise ValueError("invalid IP-literal")
    return f"[{plain}]{port}"


def _check_port(port: str) -> None:
    if not _is_port(port):
        raise ValueError(f"invalid port {go_quoted(port)} after host")


def _is_port(text: str) -> bool:
    return not text or (text[0] == ":" and all(sign in DIGITS for sign in text[1:]))


def _split_host(host: str) -> tuple[str, str]:
    name, port = host, ""
    colon = host.rfind(":")
    if colon >= 0 and _is_port(host[colon:]):
        name, port = host[:colon], host[colon + 1 :]
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    return name, port


def _octets(text: str) -> str:
    """The octets of a text, each as one character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _text(octets: str) -> str:
    return octets.encode("latin-1").decode("utf-8", "surrogateescape")


def _escape(text: str, allowed: frozenset[str]) -> str:
    return "".join(sign if sign in allowed else f"%{ord(sign):02X}" for sign in _octets(text))


def _unescape(text: str, part: str) -> str:
    if text.isascii() and "%" not in text and "+" not in text and part not in ("host", "zone"):
        return text
    octets = _octets(text)
    parts: list[str] = []
    position = 0
    while position < len(octets):
        sign = octets[position]
        if sign == "%":
            parts.append(_escaped_octet(octets, position, part))
            position += 3
            continue
        if part in ("host", "zone") and sign < "\x80" and sign not in HOST:
            raise ValueError(f"invalid character {go_quoted(sign)} in host name")
        parts.append(" " if sign == "+" and part == "query" else sign)
        position += 1
    return _text("".join(parts))


def _escaped_octet(octets: str, position: int, part: str) -> str:
    escape = octets[position : position + 3]
    if len(escape) < 3 or escape[1] not in HEXADECIMAL or escape[2] not in HEXADECIMAL:
        raise ValueError(f"invalid URL escape {go_quoted(_text(escape))}")
    sign = bytes.fromhex(escape[1:]).decode("latin-1")
    if part == "host" and sign < "\x80" and escape != "%25":
        raise ValueError(f"invalid URL escape {go_quoted(escape)}")
    if part == "zone" and escape != "%25" and sign != " " and sign not in HOST:
        raise ValueError(f"invalid URL escape {go_quoted(escape)}")
    return sign
