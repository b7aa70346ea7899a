"""Install manifests out of files and folders: definitions of kinds first, and the rest when their kinds are served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pilothouse.api.apiextensions.conditions import ESTABLISHED, is_true
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.machinery import yaml
from pilothouse.testing.manifests import apply

SUFFIXES = (".yaml", ".yml", ".json")
SERVED_SECONDS = 30.0
DEFINITION = "CustomResourceDefinition"


async def install(client: Client, clock: Clock, paths: Sequence[Path]) -> list[Any]:
    """Create the objects of manifests; returns them as created.

    Raises ValueError for a path without manifests, TimeoutError when a definition is not established.
    """
    texts = [file.read_text() for file in files_of(paths)]
    definitions: list[Any] = []
    others: list[Any] = []
    for text in texts:
        for document in yaml.parse_all(text, []):
            if document:
                (definitions if document.get("kind") == DEFINITION else others).append(document)
    made = await apply(client, _text(definitions)) if definitions else []
    for definition in made:
        await wait_for(clock, _established(client, definition.metadata.name), SERVED_SECONDS)
    return made + (await apply(client, _text(others)) if others else [])


def files_of(paths: Sequence[Path]) -> Iterator[Path]:
    """The files meant, those of folders in the order of their names. ValueError for a path that has none."""
    for path in paths:
        files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES) if path.is_dir() else [path]
        if not files or not all(file.is_file() for file in files):
            raise ValueError(f"{path}: no manifests there: name a file, or a folder with {', '.join(SUFFIXES)} files")
        yield from files


def _text(documents: Sequence[Any]) -> str:
    """Documents as one text again: JSON is YAML."""
    return "\n---\n".join(msgspec.json.encode(document).decode() for document in documents)


async def _established(client: Client, name: str) -> None:
    """Return when the definition is established."""
    if is_true(await client.get(CustomResourceDefinition, name), ESTABLISHED):
        return
    async for event in client.watch(CustomResourceDefinition):
        if event.object is not None and event.object.metadata.name == name and is_true(event.object, ESTABLISHED):
            return
