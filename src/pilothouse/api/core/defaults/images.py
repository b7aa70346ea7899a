"""The pull policy that follows from an image's name."""

from __future__ import annotations


def tag_of(image: str) -> str:
    """The tag of an image reference: `latest` when it names neither tag nor digest, "" when it names a digest alone."""
    name, _, digest = image.partition("@")
    last = name.rpartition("/")[2]
    _, colon, tag = last.partition(":")
    if colon:
        return tag
    return "" if digest else "latest"


def pull_policy(image: str) -> str:
    """`Always` for the tag `latest`, which is what no tag means; else `IfNotPresent`."""
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"
