"""The project's source files, parsed once for all architecture tests."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "pilothouse"


@cache
def files() -> tuple[Path, ...]:
    """Every hand-written Python file of the package."""
    generated = {SOURCE / "machinery" / "meta_v1.py", *(SOURCE / "api" / "types").glob("*.py")}
    return tuple(path for path in sorted(SOURCE.rglob("*.py")) if path not in generated)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def shown(path: Path) -> str:
    """The path as a reader names it: from the root of the project."""
    return str(path.relative_to(ROOT))
