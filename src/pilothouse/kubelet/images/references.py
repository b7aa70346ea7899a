"""Image references in the distribution grammar. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
DOMAIN = rf"(?:localhost|{LABEL}(?:\.{LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"(?:(?P<domain>{DOMAIN})/)?(?P<path>{COMPONENT}(?:/{COMPONENT})*)")
TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
NAME_LIMIT = 255
DEFAULT_DOMAIN = "docker.io"
IDENTIFIER = re.compile(r"[a-f0-9]{64}")


class InvalidReference(ValueError):
    """An image reference is invalid; the text is upstream's."""


@dataclass(slots=True, frozen=True)
class Reference:
    """A parsed image reference. `domain` and `path` are complete: `docker.io`, `library/busybox`."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository: domain and path without tag and digest."""
        return f"{self.domain}/{self.path}"


def parse(text: str) -> Reference:
    """Parse an image reference. Raises InvalidReference."""
    if IDENTIFIER.fullmatch(text):
        raise InvalidReference(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    rest, _, digest = text.partition("@")
    name, tag = rest, ""
    if ":" in rest.rpartition("/")[2]:
        name, _, tag = rest.rpartition(":")
    if not text or not name or ("@" in text and not DIGEST.fullmatch(digest)) or (tag and not TAG.fullmatch(tag)) or rest.endswith(":"):
        raise InvalidReference("invalid reference format")
    domain, path = _split(name)
    if any(char.isupper() for char in path):
        raise InvalidReference(f"invalid reference format: repository name ({path}) must be lowercase")
    if not REPOSITORY.fullmatch(f"{domain}/{path}"):
        raise InvalidReference("invalid reference format")
    if len(f"{domain}/{path}") > NAME_LIMIT:
        raise InvalidReference(f"repository name must not be more than {NAME_LIMIT} characters")
    return Reference(domain, path, tag, digest)


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        domain, path = first, rest
    else:
        domain, path = DEFAULT_DOMAIN, name
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return domain, path


def with_default_tag(image: str) -> str:
    """The reference with `:latest` when it has neither tag nor digest. Raises InvalidReference."""
    reference = parse(image)
    return image if reference.tag or reference.digest else f"{image}:latest"
