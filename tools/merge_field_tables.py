"""Merge the field tables of several API levels into the one that the package carries.

    python tools/merge_field_tables.py FOLDER     (FOLDER has fields-1.34.tsv, fields-1.35.tsv ...)

A level's table has one line a field, read off the published Go types: type, position, JSON name, Go type, empty (omitempty, omitzero),
protobuf (number:wire:label), patch. The merged table has one line a field and form, in Go's order: `levels` says at which levels it holds
(`1.34-` from there on, `1.35-1.36` no longer). A type without fields has no line.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src" / "pilothouse" / "api" / "types" / "fields.tsv"
HEADER = "type\tjson\tgo\tempty\tprotobuf\tpatch\tlevels\n"
Row = tuple[str, str, str, str, str, str]


def rows_of(path: Path) -> list[Row]:
    """The fields of one level in Go's order, without their positions."""
    rows = []
    for line in path.read_text().splitlines()[1:]:
        type_name, _, json_name, go, empty, protobuf, patch = line.split("\t")[:7]
        rows.append((type_name, json_name, go, empty, protobuf, patch))
    return rows


def merged(levels: dict[str, list[Row]]) -> list[tuple[str, ...]]:
    """Every row with the levels that have it, in Go's order: rows that are gone stand behind the row that they followed."""
    names = list(levels)
    known = {name: set(rows) for name, rows in levels.items()}
    ordered: list[Row] = list(levels[names[-1]])
    for name in reversed(names[:-1]):
        for before, row in itertools.pairwise([None, *levels[name]]):
            if row is not None and row not in ordered:
                ordered.insert(ordered.index(before) + 1 if before else 0, row)
    return [(*row, span([name for name in names if row in known[name]], names[-1])) for row in ordered]


def span(names: list[str], newest: str) -> str:
    return f"{names[0]}-" if names[-1] == newest else f"{names[0]}-{names[-1]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    levels = {path.stem.removeprefix("fields-"): rows_of(path) for path in sorted(folder.glob("fields-*.tsv"))}
    if not levels:
        print(f"no fields-*.tsv in {folder}", file=sys.stderr)
        return 1
    TARGET.write_text(HEADER + "".join("\t".join(row) + "\n" for row in merged(levels)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
