"""Links of pages and redirects that come through a proxy: those to the backend itself are led through the proxy again; pure.

- Which attributes of which elements hold links is upstream's list; everything else of a page stays as it is, byte for byte.
- One pass: what is not closed (a tag, a comment, a script) ends it, as for browsers, and the rest stays.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

ATTRIBUTES = {
    "a": {"href"},
    "applet": {"codebase"},
    "area": {"href"},
    "audio": {"src"},
    "base": {"href"},
    "blockquote": {"cite"},
    "body": {"background"},
    "button": {"formaction"},
    "command": {"icon"},
    "del": {"cite"},
    "embed": {"src"},
    "form": {"action"},
    "frame": {"longdesc", "src"},
    "head": {"profile"},
    "html": {"manifest"},
    "iframe": {"longdesc", "src"},
    "img": {"longdesc", "src", "usemap"},
    "input": {"src", "usemap", "formaction"},
    "ins": {"cite"},
    "link": {"href"},
    "object": {"classid", "codebase", "data", "usemap"},
    "q": {"cite"},
    "script": {"src"},
    "source": {"src"},
    "video": {"poster", "src"},
}
RAW = {"script", "style", "textarea", "title", "iframe", "noembed", "noframes", "xmp"}
"""Elements whose contents are text, whatever it looks like."""
OPENING = re.compile(r"<(!--|[a-zA-Z][^\s/>]*)")
REST_OF_TAG = re.compile(r"(?:[^>\"']|\"[^\"]*\"|'[^']*')*+>")
ATTRIBUTE = re.compile(r"([^\s\"'<>/=]++)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)")


@dataclass(frozen=True, slots=True)
class ProxyRoute:
    """How a backend is reached: the proxy's path, the backend's host and port, and the host that the client used."""

    prefix: str
    backend: str
    asked: str

    def back(self, link: str) -> str:
        """A link to a path of the backend, rewritten to go through the proxy; other links are kept."""
        try:
            parts = urlsplit(link)
        except ValueError:
            return link
        if parts.netloc not in ("", self.backend, self.asked) or not parts.path.startswith("/"):
            return link
        if not parts.netloc or parts.netloc != self.asked:
            parts = parts._replace(scheme="", netloc="")
        if not parts.path.startswith(self.prefix):
            parts = parts._replace(path=self.prefix + parts.path)
        return parts.geturl()


def rewritten(page: str, change: Callable[[str], str]) -> str:
    """The page with every link changed."""
    parts: list[str] = []
    copied = at = 0
    while opening := OPENING.search(page, at):
        name = opening[1].lower()
        if name == "!--":
            at = end_of(page, "-->", opening.end())
        elif rest := REST_OF_TAG.match(page, opening.end()):
            if name in ATTRIBUTES:
                parts += page[copied : opening.end()], tag_changed(rest[0], ATTRIBUTES[name], change)
                copied = rest.end()
            at = end_of(page, f"</{name}", rest.end()) if name in RAW else rest.end()
        else:
            at = -1
        if at < 0:
            break
    return "".join((*parts, page[copied:]))


def end_of(page: str, mark: str, at: int) -> int:
    """End of the next mark, ignoring case; -1 when there is none."""
    match = re.compile(re.escape(mark), re.IGNORECASE).search(page, at)
    return match.end() if match else -1


def tag_changed(rest: str, attributes: set[str], change: Callable[[str], str]) -> str:
    """The rest of an HTML tag with the links in the named attributes replaced by `change`."""

    def changed(match: re.Match[str]) -> str:
        if match[1].lower() not in attributes:
            return match[0]
        link = html.unescape(match[2].strip("\"'"))
        new = change(link)
        return match[0] if new == link else f'{match[1]}="{html.escape(new)}"'

    return ATTRIBUTE.sub(changed, rest)
