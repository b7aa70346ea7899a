"""Remembering results of functions whose arguments are texts that clients wrote: bounded in number and in length.

`functools.lru_cache` bounds the number alone: a thousand texts of a megabyte are a gigabyte.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, update_wrapper
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
LONGEST_CHARACTERS = 256


def remember(maxsize: int, longest: int = LONGEST_CHARACTERS) -> Callable[[F], F]:
    """As lru_cache, for positional arguments; a call whose texts are longer than `longest` in sum is not remembered."""

    def decorate(function: F) -> F:
        cached = lru_cache(maxsize=maxsize)(function)

        def call(*args: Any) -> Any:
            length = 0
            for value in args:
                if isinstance(value, str | bytes):
                    length += len(value)
            return cached(*args) if length <= longest else function(*args)

        return cast(F, update_wrapper(call, function))

    return decorate
