"""What lightkube-models 1.34 says of every kind. Read as source: to import it one needs its client."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERBS = {"post": "create", "put": "update"}


@dataclass
class Known:
    """One kind as the oracle knows it. `subresources` is name -> verbs."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: set[str]
    subresources: dict[str, tuple[set[str], tuple[str, str, str]]] = field(default_factory=dict)


def _verbs(info: dict[str, Any]) -> set[str]:
    found = {VERBS.get(verb, verb) for verb in info.get("verbs", ())}
    return {verb for verb in found if not verb.startswith("global_")}


def _info(body: ast.ClassDef) -> dict[str, Any] | None:
    for statement in body.body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "_api_info":
            assert isinstance(statement.value, ast.Call)
            return {one.arg or "": _literal(one.value) for one in statement.value.keywords}
    return None


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        return tuple(ast.literal_eval(one) for one in node.args)
    return ast.literal_eval(node)


def known() -> dict[tuple[str, str, str], Known]:
    """Every kind of every stable group, by group, version and kind."""
    spec = importlib.util.find_spec("lightkube.resources")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(next(iter(spec.submodule_search_locations)))
    classes: dict[tuple[str, str], ast.ClassDef] = {}
    for path in sorted(folder.glob("*.py")):
        if path.stem.endswith(("_v1", "_v2")):
            tree = ast.parse(path.read_text())
            classes |= {(path.stem, one.name): one for one in tree.body if isinstance(one, ast.ClassDef)}
    found: dict[tuple[str, str, str], Known] = {}
    subs: list[tuple[str, dict[str, Any]]] = []
    for (_, name), body in classes.items():
        info = _info(body)
        if info is None:
            continue
        if info.get("parent"):
            subs.append((name, info))
            continue
        base = ast.unparse(body.bases[0])
        namespaced = "Namespaced" in base
        found[info["resource"]] = Known(*info["resource"], info["plural"], namespaced, _verbs(info))
    for _, info in subs:
        found[info["parent"]].subresources[info["action"]] = (_verbs(info), info["resource"])
    return found
