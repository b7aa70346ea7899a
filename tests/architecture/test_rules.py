"""The rules of the design that a tool can check. What the checks find is proven by test_rules_can_fail.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture import rules
from tests.architecture.sources import ROOT, SOURCE, files, shown, tree

MAY_ASK_THE_MACHINE = {"kit/clock.py", "kit/entropy.py", "kit/secure_random.py"}
WAIT_IN_REAL_TIME = {"testing/conformance/storage.py", "testing/conformance/workqueue.py"}
"""Suites that real drivers with threads of their own must pass: a test that hangs is to fail."""
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
RATCHET = Path(__file__).with_name("ratchet.json")
SIZES, TASKS, SHORT = "sizes", "tasks outside TaskGroups", "files of fewer than 15 lines"


def found(check: Callable[[Any], Iterator[rules.Found]], *, but: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    """What a check finds in all files but some, one a line."""
    return "\n".join(
        f"{shown(path)}:{line} {what}" for path in files() if str(path.relative_to(SOURCE)) not in but for line, what in check(tree(path))
    )


def test_time_randomness_and_ids_come_only_from_clock_and_entropy() -> None:
    wrong = found(rules.asks_the_machine, but=MAY_ASK_THE_MACHINE | WAIT_IN_REAL_TIME)
    assert not wrong, f"ask kit.clock and kit.entropy instead:\n{wrong}"


def test_nobody_sleeps_by_himself() -> None:
    wrong = found(rules.sleeps, but={"kit/clock.py"})
    assert not wrong, f"sleep on the injected clock instead:\n{wrong}"


def test_no_task_is_dropped() -> None:
    wrong = found(rules.dropped_tasks)
    assert not wrong, f"give these to a TaskGroup:\n{wrong}"


def test_tasks_belong_to_groups() -> None:
    """A task outside a group must be held, cancelled and awaited by who made it; ratchet.json says how many of those there are."""
    now = {shown(path): count for path in files() if (count := len([*rules.loose_tasks(tree(path))]))}
    wrong = rules.ratchet(now, json.loads(RATCHET.read_text())[TASKS])
    assert not wrong, "\n".join(wrong)


NUMBERS_OF_NO_TEXT = {
    *("float(bound)", "float(burst)", "float(duration)", "float(found)", "float(handler.sleep.seconds)", "float(min(limits))"),
    *("float(probe.periodSeconds or 10)", "float(probe.timeoutSeconds or 1)", "float(seconds)", "float(total)"),
    *("int(KEEP_ALIVE_SECONDS)", "int((amount / unit).to_integral_value(rounding='ROUND_CEILING'))", "int(best[row])", "int(bound)"),
    *("int(candidates.sum())", "int(due.timestamp())", "int(left.sum())", "int(math.log2(nanoseconds))", "int(network.network_address)"),
    *("int(options.timeout_seconds)", "int(row)", "int(rows[0])", "int(scores.max())", "int(scores.max(initial=0))", "int(scores.min())"),
    *("int(scores[~ignored].max())", "int(scores[~ignored].min())", "int(seconds)", "int(self.clock.now().timestamp())"),
    *("int(self._timings.lease_duration)", "int(sums[present].min())", "int(timeout_seconds)"),
    *("int(address)", "int(elapsed)", "float(int(elapsed))"),
    "int(constraint.selector.matches(pod.pod.metadata.labels))",
    "int(best[self._entropy.random.randrange(len(best))])",
}
"""Of numbers, not of text: each as it stands in the source."""
READ_BY_PATTERN = {
    "machinery/strconv.py",
    "machinery/time.py",
    "machinery/quantity.py",
    "machinery/yaml_scalars.py",
    "machinery/codec.py",
    "machinery/parsing.py",
    "kubelet/probes/http.py",
}
"""Give int() and float() what a regular expression (or a JSON parser) has let through, of bounded length."""


def test_text_is_read_as_go_reads_it() -> None:
    listed = NUMBERS_OF_NO_TEXT | {"int(number or 0)", "int(number)", "int(''.join(reversed(digits)), 16)"}
    wrong = [
        f"{shown(path)}:{line} {what}"
        for path in files()
        if str(path.relative_to(SOURCE)) not in READ_BY_PATTERN
        for line, what in rules.python_numbers(tree(path))
        if what not in listed
    ]
    assert not wrong, "read these with machinery/strconv.py:\n" + "\n".join(wrong)


def test_nothing_blocks_the_loop_of_the_node_agent() -> None:
    """Its coroutines touch disks, mounts and name servers in threads with deadlines (kit/blocking.py, kubelet/host/linux.py)."""
    rooms = (SOURCE / "kubelet", SOURCE / "kit")
    wrong = [
        f"{shown(path)}:{line} {what}"
        for path in files()
        if any(path.is_relative_to(room) for room in rooms)
        for line, what in rules.blocks_the_loop(tree(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_sizes_only_shrink() -> None:
    """ratchet.json holds what is too large and how large: it may shrink, and nothing may join it."""
    now = {
        f"{shown(path)}::{name}" if name else shown(path): lines
        for path in files()
        for name, lines in rules.sizes(path.read_text(), tree(path)).items()
    }
    wrong = rules.ratchet(now, json.loads(RATCHET.read_text())[SIZES])
    assert not wrong, f"split these (limits: {rules.FILE_LINES} lines a file, {rules.FUNCTION_LINES} a function):\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("what", "count"),
    [
        pytest.param("variables called `one`, `found` or `box`", rules.vague_names, id="names of variables"),
        pytest.param("public functions without a docstring", rules.undocumented, id="docstrings"),
        pytest.param("public classes without a docstring", rules.undocumented_classes, id="docstrings of classes"),
        pytest.param("docstrings that only point elsewhere", rules.pointing_docstrings, id="what docstrings say"),
    ],
)
def test_plain_words_only_gain(what: str, count: Callable[[Any], int]) -> None:
    """ratchet.json says how many each room still has: a room may have fewer, never more."""
    now: Counter[str] = Counter()
    for path in files():
        now[path.relative_to(SOURCE).parts[0]] += count(tree(path))
    allowed = json.loads(RATCHET.read_text())[what]
    wrong = [f"{room}: {number}, allowed are {allowed.get(room, 0)}" for room, number in now.items() if number > allowed.get(room, 0)]
    assert not wrong, f"{what}:\n" + "\n".join(wrong)


def test_files_are_chapters() -> None:
    """ratchet.json says how many files of a few lines there are: no more may come."""
    short = [shown(path) for path in files() if path.name != "__init__.py" and rules.is_short(path.read_text())]
    assert len(short) <= json.loads(RATCHET.read_text())[SHORT], "merge these:\n" + "\n".join(short)


def test_no_room_is_a_lumber_room() -> None:
    wrong = [shown(path) for path in SOURCE.rglob("*") if path.stem in BANNED_NAMES]
    assert not wrong


@pytest.mark.parametrize("path", files(), ids=shown)
def test_a_module_says_what_it_promises(path: Path) -> None:
    if path.name != "__init__.py" or path.read_text().strip():
        assert rules.ast.get_docstring(tree(path)), f"{shown(path)} has no docstring"


PLUGIN_FOLDERS: dict[str, tuple[str, ...]] = {
    "controllers/builtin": (),
    "scheduler/plugins": (),
    "apiserver/admission/plugins": (),
    "kubelet/volumes": ("VolumeKind",),
}
"""Each with the calls that make its plugins; none: its plugins are classes with a name."""
ISOLATED_FOLDERS = (*PLUGIN_FOLDERS, "apiserver/chain", "apiserver/subresources", "apiserver/registry/subresources")


def members(folder: str) -> list[Path]:
    found = [path for path in files() if path.parent == SOURCE / folder and path.name != "__init__.py"]
    assert found, f"{folder} is empty: has it moved?"
    return found


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_one_plugin_a_file(folder: str) -> None:
    wrong = {shown(path): defined for path in members(folder) if len(defined := rules.plugins(tree(path), PLUGIN_FOLDERS[folder])) != 1}
    assert not wrong


@pytest.mark.parametrize("folder", ISOLATED_FOLDERS)
def test_plugin_files_do_not_import_one_another(folder: str) -> None:
    package = "pilothouse." + folder.replace("/", ".")
    wrong = [f"{shown(path)}:{line} {what}" for path in members(folder) for line, what in rules.imports_below(tree(path), package)]
    assert not wrong


def test_one_kind_a_file() -> None:
    """A kind's Resource stands in a file of its own."""
    wrong = {
        shown(path): made
        for path in files()
        if path.is_relative_to(SOURCE / "api") and len(made := rules.plugins(tree(path), ("Resource",))) > 1
    }
    assert not wrong


def test_imports_run_downward() -> None:
    """The contracts in pyproject.toml, which name every room: import-linter's own judgement."""
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_every_kind_controller_plugin_command_and_flag_is_documented() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "reference.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_documented_says_something() -> None:
    empty = [
        f"{path.name}: {line}"
        for path in sorted((ROOT / "docs" / "reference").glob("*.md"))
        if path.name != "kinds.md"
        for line in path.read_text().splitlines()
        if line.startswith("|") and line.rstrip().endswith("|  |")
    ]
    assert not empty


WRITTEN = {".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".txt", ".json", ".html", "Makefile", "run"}
"""Endings, or names, of what is written by hand."""


def test_nothing_names_the_machine_it_was_made_on() -> None:
    marks = ("/" + "work/", "/" + "root/", "bash_" + "jobs")
    texts = [path for path in ROOT.rglob("*") if {path.suffix, path.name} & WRITTEN and path.is_file()]
    own = [path for path in texts if not any(is_made(part) for part in path.parts[len(ROOT.parts) :])]
    wrong = [f"{shown(path)}: {mark}" for path in own for mark in marks if mark in path.read_text(errors="replace")]
    assert {"Makefile", "run"} <= {path.name for path in own}
    assert not wrong


def is_made(folder: str) -> bool:
    """Folders of tools' caches and of other people's files."""
    return folder in {".venv", ".git", "node_modules", "dist", "build"} or folder.endswith(("_cache", ".hypothesis", ".egg-info"))


def test_a_well_known_key_has_one_name() -> None:
    """What two rooms read stands in api/wellknown.py (in machinery, where that needs it)."""
    named = Counter(key for path in files() for key in set(rules.well_known_keys(tree(path))))
    twice = sorted(key for key, count in named.items() if count > 1)
    assert not twice, f"name these once, in api/wellknown.py: {twice}"
