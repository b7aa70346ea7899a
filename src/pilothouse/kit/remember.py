"""Caches for functions of client-supplied texts, limited in number and in length.

`functools.lru_cache` bounds the number alone: a thousand texts of a megabyte are a gigabyte.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, update_wrapper
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
LONGEST_CHARACTERS = 256
TEXTS = str, bytes


def remember(maxsize: int, longest: int = LONGEST_CHARACTERS) -> Callable[[F], F]:
    """As lru_cache, for positional arguments; calls with texts longer than `longest` in sum are not cached."""

    def decorate(function: F) -> F:
        cached = lru_cache(maxsize=maxsize)(function)

        def of_one(value: Any) -> Any:
            return function(value) if isinstance(value, TEXTS) and len(value) > longest else cached(value)

        def of_more(*args: Any) -> Any:
            length = sum([len(value) for value in args if isinstance(value, TEXTS)])
            return cached(*args) if length <= longest else function(*args)

        return cast(F, update_wrapper(of_one if function.__code__.co_argcount == 1 else of_more, function))

    return decorate
