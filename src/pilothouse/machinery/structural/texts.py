"""URIs, host names and mail addresses in text, as Go's net/url and net/mail and kube-openapi read them."""

from __future__ import annotations

import re
from functools import lru_cache

from pilothouse.machinery import regex
from pilothouse.machinery.structural import addresses

HOSTNAME = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)
LONGEST_HOSTNAME, LONGEST_LABEL = 255, 63
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
WRONG_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")
USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"\x80-\U0010ffff]|%(?:[89a-fA-F][0-9a-fA-F]|25))*")
ZONE = re.compile(r"%25(?:[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"\x80-\U0010ffff]|%[0-9a-fA-F]{2})+")
PORT = re.compile("(?::[0-9]*)?")

ATOM = r"[^\x00-\x20\x7f()\[\];@\\,<>\":.]"
DOT_ATOM = re.compile(rf"{ATOM}+(?:\.{ATOM}+)*")
LOOSE_ATOM = re.compile(rf"(?:{ATOM}|\.)+")
QUOTED = re.compile(r'"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*"')
LITERAL = re.compile(r"\[([^\x00-\x20\x7f\[\]\\]*)\]")
SPACE = re.compile(r"[ \t]*")


def is_hostname(text: str) -> bool:
    """RFC 1123 host name; symbols and letters of every script are allowed."""
    if len(text.encode(errors="replace")) > LONGEST_HOSTNAME or not _hostname().search(text):
        return False
    return all(len(label.encode(errors="replace")) <= LONGEST_LABEL for label in text.split("."))


@lru_cache(maxsize=1)
def _hostname() -> regex.Regex:
    return regex.compile(HOSTNAME)


def is_request_uri(text: str) -> bool:
    """url.ParseRequestURI: an absolute URI or an absolute path."""
    if not text or CONTROL.search(text):
        return False
    if text == "*":
        return True
    if text[0] == ":":
        return False
    scheme = SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    path = rest.partition("?")[0]
    if not path.startswith("/"):
        return scheme is not None
    if scheme and path.startswith("//"):
        authority, slash, path = path[2:].partition("/")
        path = slash + path
        if not _is_authority(scheme[1].lower(), authority):
            return False
    return WRONG_ESCAPE.search(path) is None


def _is_authority(scheme: str, authority: str) -> bool:
    user, at, host = authority.rpartition("@")
    if at and (USER.fullmatch(user) is None or WRONG_ESCAPE.search(user)):
        return False
    if "[" in host:
        return _is_literal(host)
    first, last = host.find(":"), host.rfind(":")
    if first >= 0:
        port = host[first if scheme in ("http", "https") else last :]
        if PORT.fullmatch(port) is None:
            return False
    return HOST.fullmatch(host) is not None


def _is_literal(host: str) -> bool:
    """An IPv6 address in brackets, with a zone or without, and a port."""
    inner, closed, port = host[1:].rpartition("]")
    if host.rfind("[") > 0 or not closed or PORT.fullmatch(port) is None:
        return False
    address, percent, _ = inner.partition("%25")
    if percent and ZONE.fullmatch(inner[len(address) :]) is None:
        return False
    return addresses.is_ipv6(address)


def is_email(text: str) -> bool:
    """mail.ParseAddress: an address, or a name and an address in angle brackets; a group of one address too."""
    try:
        addresses, end = _address(text, _space(text, 0), group=True)
    except ValueError:
        return False
    return addresses == 1 and _comments(text, end) == len(text)


def _address(text: str, at: int, *, group: bool) -> tuple[int, int]:
    """How many addresses begin here, and where they end."""
    end = _spec(text, at)
    if end is not None:
        after = _space(text, end)
        return 1, _comment(text, after) if text.startswith("(", after) else after
    at = _space(text, at if text.startswith("<", at) else _phrase(text, at))
    if group and text.startswith(":", at):
        return _group(text, at + 1)
    if not text.startswith("<", at):
        raise ValueError("no angle-addr")
    end = _spec(text, at + 1)
    if end is None or not text.startswith(">", end):
        raise ValueError("no address in angle brackets")
    return 1, end + 1


def _group(text: str, at: int) -> tuple[int, int]:
    at, count = _space(text, at), 0
    if text.startswith(";", at):
        return 0, _comments(text, at + 1)
    while True:
        addresses, at = _address(text, _space(text, at), group=False)
        at, count = _comments(text, at), count + addresses
        if text.startswith(";", at):
            return count, _comments(text, at + 1)
        if not text.startswith(",", at):
            raise ValueError("expected comma")
        at += 1


def _spec(text: str, at: int) -> int | None:
    """Where `local@domain` ends that begins here; None where none begins."""
    at = _space(text, at)
    local = (QUOTED if text.startswith('"', at) else DOT_ATOM).match(text, at)
    if local is None or local[0] == '""' or not text.startswith("@", local.end()):
        return None
    at = _space(text, local.end() + 1)
    if text.startswith("[", at):
        literal = LITERAL.match(text, at)
        return literal.end() if literal is not None and addresses.is_ip(literal[1]) else None
    domain = DOT_ATOM.match(text, at)
    return None if domain is None or text.startswith(".", domain.end()) else domain.end()


def _phrase(text: str, at: int) -> int:
    """Where the words of a name end; ValueError where there is none."""
    words = 0
    while True:
        at = _space(text, _comments(text, at) if words else at)
        word = (QUOTED if text.startswith('"', at) else LOOSE_ATOM).match(text, at)
        if word is None:
            if not words and at < len(text):
                raise ValueError("missing word in phrase")
            return at
        words, at = words + 1, word.end()


def _space(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at


def _comments(text: str, at: int) -> int:
    at = _space(text, at)
    while text.startswith("(", at):
        at = _space(text, _comment(text, at))
    return at


def _comment(text: str, at: int) -> int:
    """Where the comment ends that begins here; comments nest."""
    depth = 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        elif text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
        at += 1
        if depth == 0:
            return at
    raise ValueError("misformatted parenthetical comment")
