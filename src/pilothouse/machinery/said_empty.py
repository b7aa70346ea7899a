"""Empty lists and maps that a client has said, as opposed to none: the few rules that tell them apart ask `is_said`.

Objects keep no difference between the two (struct.py). While a request is answered, the containers that its body says are empty are known
by their identity; a copy is as one that was not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

FIELDS = re.compile(rb'\[\s*\]|"?\b(?:limits|overhead|requests)"?\s*:\s*\{\s*\}')
"""Empty lists, and those maps of which some rule asks, said empty: other bodies are not looked at."""

_said: dict[int, tuple[Sized, SaidEmpty]] = {}
"""By identity: the container, and the request that says it."""


def is_said(value: Sized | None) -> bool:
    """Whether a list or map is there, if only because the client said that it is empty."""
    return bool(value) or id(value) in _said


def is_anything_said() -> bool:
    """Whether any request says so of anything: what equal objects share is then not to be shared."""
    return bool(_said)


def copied(original: T, copy: T) -> T:
    """The copy of an object, of which is said what is said of the original."""
    if _said:
        for container, other in _pairs(original, copy):
            if id(container) in _said:
                _said[id(container)][1].add((other,))
    return copy


def _pairs(original: Any, copy: Any) -> Iterator[tuple[Sized, Sized]]:
    """The empty containers of an object, each with that of its copy."""
    if isinstance(original, (list, dict)) and not original:
        yield original, copy
    elif isinstance(original, dict):
        for name, child in original.items():
            yield from _pairs(child, copy.get(name))
    elif isinstance(original, list):
        for child, other in zip(original, copy, strict=False):
            yield from _pairs(child, other)
    elif isinstance(original, msgspec.Struct):
        for name in original.__struct_fields__:
            yield from _pairs(getattr(original, name), getattr(copy, name))


class SaidEmpty:
    """The containers of one request, while it is answered."""

    def __init__(self) -> None:
        self._containers: list[Sized] = []

    def add(self, containers: Iterable[Sized]) -> None:
        """Note containers; they are kept until the end, so that nothing else takes their identity."""
        for container in containers:
            self._containers.append(container)
            _said[id(container)] = container, self

    def __enter__(self) -> SaidEmpty:
        return self

    def __exit__(self, *exception: object) -> None:
        for container in self._containers:
            _said.pop(id(container), None)
        self._containers = []


def containers(document: Any, value: Any) -> Iterator[Sized]:
    """The empty lists and maps of an object that its document says are empty."""
    if isinstance(document, dict):
        if not document and isinstance(value, dict) and not value:
            yield value
        for name, child in document.items():
            yield from containers(child, value.get(name) if isinstance(value, dict) else getattr(value, name, None))
    elif isinstance(document, list) and isinstance(value, list):
        if not document and not value:
            yield value
        for child, item in zip(document, value, strict=False):
            yield from containers(child, item)
