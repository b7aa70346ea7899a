#!/usr/bin/env python3
"""Writes go_names.tsv beside the struct classes: what Go's JSON decoder calls the fields whose place or type has a name of its own.

    generate_go_names.py MODULES     MODULES: the folder that holds the Go modules k8s.io/api@..., apimachinery@... and their neighbours

Upstream's messages about values that do not fit name the field by its path, embedded structs included (`spec.volumes.VolumeSource.nfs`),
and its Go type (`v1.RestartPolicy`). One line a field where either differs from what the struct class says: type, JSON name, names of the
embedded structs (joined by dots), Go type ("" where it is no named one).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1] / "src/pilothouse"
SOURCES = (
    "api@*/*/*/types*.go",
    "apimachinery@*/pkg/apis/meta/v1/types.go",
    "apimachinery@*/pkg/types/*.go",
    "kube-aggregator@*/pkg/apis/apiregistration/v1/types.go",
    "apiextensions-apiserver@*/pkg/apis/apiextensions/v1/types*.go",
)
Field = tuple[str, str, str]
"""Go name ("" for an embedded struct), Go type, JSON name."""
Types = dict[str, list[Field] | str]
"""By `group/version.Name`: the fields of a struct, or the type that it is another name of."""


def package_of(path: Path) -> str:
    """`core/v1`, or `types` for k8s.io/apimachinery/pkg/types."""
    return "types" if path.parent.name == "types" else f"{path.parent.parent.name}/{path.parent.name}"


def parsed(modules: Path) -> Types:
    """Every type of the sources."""
    types: Types = {}
    for path in sorted(path for pattern in SOURCES for path in modules.glob(pattern)):
        package, text = package_of(path), re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.S)
        for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, flags=re.S | re.M):
            types[f"{package}.{name}"] = list(_fields(body))
        for name, other in re.findall(r"^type (\w+) ((?:\[\]|map\[\w+\])?[\w.]+)$", text, flags=re.M):
            types.setdefault(f"{package}.{name}", other)
    return types


def _fields(body: str) -> Iterator[Field]:
    for line in body.splitlines():
        tag = re.search(r'json:"([^",]*)', line)
        words = re.sub(r"`[^`]*`", "", line).split()
        if tag is not None and words:
            yield ("", words[0], tag[1]) if len(words) == 1 else (words[0], words[1], tag[1])


def qualified(go: str, package: str, types: Types) -> str:
    """The key of a type that a file of `package` names."""
    if "." not in go:
        return f"{package}.{go}"
    alias, name = go.split(".")
    homes = {"v1": "core/v1", "apiv1": "core/v1", "corev1": "core/v1", "metav1": "meta/v1", "types": "types"}
    return f"{homes.get(alias, alias)}.{name}"


def printed(go: str, package: str, types: Types) -> str:
    """How Go prints a type; "" for one without a name of its own."""
    go = go.removeprefix("*")
    if go.startswith("[]"):
        item = printed(go[2:], package, types)
        return f"[]{item}" if item else ""
    if go.startswith("map["):
        key, _, value = go[4:].partition("]")
        named = printed(key, package, types), printed(value, package, types)
        return f"map[{named[0] or key}]{named[1] or _plain(value, package)}" if any(named) else ""
    key = qualified(go, package, types)
    other = types.get(key)
    if not isinstance(other, str) or other in ("struct", "interface"):
        return ""
    return f"{key.rpartition('.')[0].rpartition('/')[2]}.{key.rpartition('.')[2]}"


def _plain(go: str, package: str) -> str:
    return go if "." in go or go in ("string", "bool", "int32", "int64") or go.startswith("[]") else f"{package.rpartition('/')[2]}.{go}"


def rows_of(owner: str, fields: list[Field], types: Types, embedded: str = "") -> Iterator[str]:
    """The lines of one type."""
    package = owner.rpartition(".")[0]
    for name, go, json in fields:
        if name or json:
            named = printed(go, package, types)
            if embedded or named:
                yield f"{json}\t{embedded}\t{named}"
            continue
        key = qualified(go, package, types)
        below = types.get(key)
        if isinstance(below, list) and go.rpartition(".")[2] != "TypeMeta":
            yield from rows_of(key, below, types, f"{embedded}.{go}" if embedded else go.rpartition(".")[2])


def main() -> None:
    """Write both tables."""
    types = parsed(Path(sys.argv[1]))
    known = {line.partition("\t")[0] for line in (PACKAGES / "api/types/fields.tsv").read_text().splitlines()}
    lines: dict[str, list[str]] = {"machinery": [], "api/types": []}
    for owner in sorted(types):
        fields = types[owner]
        if isinstance(fields, list) and owner in known:
            home = "machinery" if owner.startswith("meta/") else "api/types"
            lines[home] += [f"{owner}\t{row}" for row in rows_of(owner, fields, types)]
    for home, rows in lines.items():
        (PACKAGES / home / "go_names.tsv").write_text("\n".join(rows) + "\n")


main()
