"""Kubernetes' environments: which libraries an API server of a version offers.

- New expressions (those that a write brings) may use what every API server that is compatible with the version knows; upstream takes the
  version before its own, so that a rollback of one version is safe.
- Stored expressions may use everything that this version knows.
- A library says itself since when it is there (`Library.since`, `Library.until`); the folder `libraries/` is the list.
"""

from __future__ import annotations

from functools import lru_cache

from pilothouse.cel import libraries
from pilothouse.cel.declarations import Library
from pilothouse.cel.environment import Environment
from pilothouse.cel.standard.optionals import OPTIONALS
from pilothouse.kit import plugins

NEWEST = 37
VALIDATES_LITERALS_SINCE = 29


@lru_cache(1)
def all_libraries() -> tuple[Library, ...]:
    """Every library, in the order of their names."""
    every = [OPTIONALS, *plugins.instances(libraries, Library)]
    return tuple(sorted(every, key=lambda library: (library.name, library.since)))


@lru_cache(16)
def new_expressions(minor: int = NEWEST - 1) -> Environment:
    """The environment for new expressions of an API server that must be compatible with Kubernetes 1.`minor`."""
    enabled = [library for library in all_libraries() if library.enabled(minor)]
    return Environment.of(libraries=enabled, validates_literals=minor >= VALIDATES_LITERALS_SINCE)


@lru_cache(1)
def stored_expressions() -> Environment:
    """The environment for expressions that were written before."""
    return Environment.of(libraries=[library for library in all_libraries() if library.until is None])
