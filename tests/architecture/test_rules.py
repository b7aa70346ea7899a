"""The rules of the design that a tool can check; layers are import-linter's (pyproject.toml)."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, SOURCE, files, shown, tree

BANNED_CALLS = {
    "time.time", "time.monotonic", "time.sleep", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
    "random.random", "random.choice", "random.choices", "random.randint", "random.uniform", "random.shuffle",
    "uuid.uuid4", "uuid4", "secrets.token_hex",
}  # fmt: skip
MAY_ASK_THE_MACHINE = {"kit/clock.py", "kit/entropy.py"}
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
RATCHET = Path(__file__).with_name("ratchet.json")
FILE_LINES, FUNCTION_LINES = 600, 60


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    return [(dotted(node.func), node) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


def test_time_randomness_and_ids_come_only_from_clock_and_entropy() -> None:
    found = [
        f"{shown(path)}:{node.lineno} {name}"
        for path in files()
        if str(path.relative_to(SOURCE)) not in MAY_ASK_THE_MACHINE
        for name, node in calls(path)
        if name in BANNED_CALLS or any(name.endswith(f".{banned}") and "entropy" not in name for banned in BANNED_CALLS)
    ]
    assert not found, "ask kit.clock and kit.entropy instead:\n" + "\n".join(found)


def is_zero(node: ast.Call) -> bool:
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0


def test_nobody_sleeps_by_himself() -> None:
    """`asyncio.sleep(0)`, one turn of the loop, is no sleep."""
    found = [
        f"{shown(path)}:{node.lineno}"
        for path in files()
        if path.parent.name != "kit"
        for name, node in calls(path)
        if name == "asyncio.sleep" and not is_zero(node)
    ]
    assert not found, "sleep on the injected clock instead:\n" + "\n".join(found)


def test_no_room_is_a_lumber_room() -> None:
    found = [shown(path) for path in SOURCE.rglob("*") if path.stem in BANNED_NAMES]
    assert not found


@pytest.mark.parametrize("path", files(), ids=shown)
def test_a_module_says_what_it_promises(path: Path) -> None:
    if path.name != "__init__.py" or path.read_text().strip():
        assert ast.get_docstring(tree(path)), f"{shown(path)} has no docstring"


ONE_PLUGIN_A_FILE = {
    "controllers/builtin": "Controller",
    "scheduler/plugins": "",
    "kubelet/volumes": "",
    "apiserver/admission/plugins": "",
}


@pytest.mark.parametrize("folder", ONE_PLUGIN_A_FILE)
def test_plugin_files_do_not_import_one_another(folder: str) -> None:
    package = "pilothouse." + folder.replace("/", ".")
    found = [
        f"{shown(path)} imports {node.module}"
        for path in (SOURCE / folder).glob("*.py")
        if path.name != "__init__.py"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package + ".")
    ]
    assert not found, "\n".join(found)


def sizes() -> dict[str, int]:
    """What exceeds the limits: a file by its path, a function by path::name, each with its lines."""
    found: dict[str, int] = {}
    for path in files():
        lines = len(path.read_text().splitlines())
        if lines > FILE_LINES:
            found[shown(path)] = lines
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LINES:
                    found[f"{shown(path)}::{node.name}"] = length
    return found


def test_sizes_only_shrink() -> None:
    """tests/architecture/ratchet.json holds what is too large and how large: it may shrink, and nothing may join it."""
    allowed = json.loads(RATCHET.read_text())
    grown = {name: lines for name, lines in sizes().items() if lines > allowed.get(name, 0)}
    assert not grown, f"split these (limits: {FILE_LINES} lines a file, {FUNCTION_LINES} a function): {grown}"
    gone = {name for name in allowed if name not in sizes()}
    assert not gone, f"take these out of {RATCHET.relative_to(ROOT)}: {gone}"


def test_nothing_names_the_machine_it_was_made_on() -> None:
    marks = ("/" + "work/", "/" + "root/", "bash_" + "jobs")
    texts = [path for path in ROOT.rglob("*") if path.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".sh"} and path.is_file()]
    own = [path for path in texts if not {".venv", ".git", "node_modules"} & set(path.parts[len(ROOT.parts) :])]
    found = [f"{shown(path)}: {mark}" for path in own for mark in marks if mark in path.read_text(errors="replace")]
    assert not found
