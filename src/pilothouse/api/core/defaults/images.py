"""Default of imagePullPolicy, from the image's tag."""

from __future__ import annotations

import re

from pilothouse.kit.remember import remember

COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_reference = re.compile(rf"(?:(?:{HOST})/)?({COMPONENT}(?:/{COMPONENT})*)(?::\w[\w.-]{{0,127}})?(?:@{DIGEST})?", re.ASCII)
LONGEST_NAME = 255
REMEMBERED = 1024


def tag_of(image: str) -> str:
    """The tag of an image reference: `latest` when it names neither tag nor digest, "" when it names a digest alone."""
    name, _, digest = image.partition("@")
    last = name.rpartition("/")[2]
    _, colon, tag = last.partition(":")
    if colon:
        return tag
    return "" if digest else "latest"


@remember(REMEMBERED)
def pull_policy(image: str) -> str:
    """`Always` for the tag `latest`, also when implied; else `IfNotPresent`, also for an invalid reference."""
    return "Always" if tag_of(image) == "latest" and is_reference(image) else "IfNotPresent"


def is_reference(image: str) -> bool:
    """Whether this can name an image: host, path in lower case, tag, digest."""
    match = _reference.fullmatch(image)
    return match is not None and len(match[1]) <= LONGEST_NAME and not re.fullmatch("[0-9a-f]{64}", image)
