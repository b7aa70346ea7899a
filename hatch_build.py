"""Build hook: puts the prose of the API definitions, which `kubectl explain` shows, into the package as one compressed file.

The definitions come from `kubernetes-validate` (a build dependency only: 108 MB unpacked); the repository holds none of it.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEVEL = "v1.37.0"
TARGET = Path("src/pilothouse/apiserver/openapi/definitions.json.gz")
STABLE = ("v1", "v2")
REFERENCE = "#/$defs/"
META = "io.k8s.apimachinery."
SCALARS: dict[str, dict[str, Any]] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "description": "IntOrString is a type that can hold an int32 or a string.",
        "format": "int-or-string",
        "type": "string",
    },
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {
        "description": "Quantity is a fixed-point representation of a number.",
        "type": "string",
    },
}


class DefinitionsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs for wheels and for editable installs."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        write(Path(self.root) / TARGET)
        build_data["artifacts"].append(str(TARGET))


def write(target: Path) -> None:
    """The file, with the same bytes for the same definitions."""
    text = json.dumps(definitions(), separators=(",", ":"), sort_keys=True).encode()
    target.write_bytes(gzip.compress(text, 9, mtime=0))


def definitions() -> dict[str, Any]:
    """The stable definitions and all that they refer to, as OpenAPI has them."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise RuntimeError("kubernetes-validate is needed to build: pip install kubernetes-validate")
    folder = Path(spec.origin).parent / "kubernetes-json-schema" / f"{LEVEL}-local"
    every = json.loads((folder / "_definitions.json").read_text())["$defs"]
    waiting = {name for name in every if name.rpartition(".")[0].rpartition(".")[2] in STABLE or name.startswith(META)}
    wanted: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        wanted[name] = SCALARS.get(name) or cleaned(every[name])
        waiting |= references(wanted[name]) & every.keys() - wanted.keys()
    return dict(sorted(wanted.items()))


def references(schema: Any) -> set[str]:
    """The names that a cleaned schema refers to."""
    if isinstance(schema, dict):
        own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
        return own.union(*map(references, schema.values()))
    return set().union(*map(references, schema)) if isinstance(schema, list) else set()


def cleaned(schema: Any) -> Any:
    """Without what the JSON schema adds to upstream's OpenAPI: null as a type, and the fixed apiVersion and kind."""
    if isinstance(schema, list):
        return [cleaned(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key == "type" and isinstance(value, list):
            found[key] = next(one for one in value if one != "null")
        elif key == "$ref" and isinstance(value, str):
            found[key] = value.removeprefix(REFERENCE)
        elif key == "properties":
            found[key] = {name: cleaned_property(name, one) for name, one in value.items()}
        else:
            found[key] = cleaned(value)
    return found


def cleaned_property(name: str, schema: dict[str, Any]) -> Any:
    found = cleaned(schema)
    if name in ("apiVersion", "kind") and isinstance(found, dict):
        found.pop("enum", None)
    return found
