"""Each check of rules.py finds the violation that it is there for, however it is written, and lets pass what only looks like one."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from tests.architecture import rules
from tests.architecture.sources import ROOT, SOURCE
from tests.architecture.test_rules import lint_imports


@pytest.mark.parametrize(
    "source",
    [
        "import time\nnow = time.time()",
        "import time as t\nnow = t.monotonic()",
        "from time import time\nnow = time()",
        "import time\nbirth = field(default_factory=time.time)",
        "import datetime\nnow = datetime.datetime.now()",
        "from datetime import datetime\nnow = datetime.now(UTC)",
        "from datetime import datetime as moment\nnow = moment.utcnow",
        "from datetime import date\ntoday = date.today()",
        "import random\nname = random.choice(names)",
        "from random import Random\nchance = Random()",
        "def late():\n    from uuid import uuid4\n    return uuid4()",
        "import secrets\ntoken = secrets.token_hex()",
        "import os\nkey = os.urandom(16)",
        "from os import urandom\nkey = urandom(16)",
        "import numpy as np\nnoise = np.random.rand(3)",
        "import asyncio\nasyncio.get_running_loop().call_later(1, wake)",
        "now = self._loop.time()",
        "import asyncio\nnow = asyncio.get_running_loop().time()",
        "import asyncio\nawait asyncio.wait_for(work, 5)",
        "from asyncio import timeout\nasync def run():\n    async with timeout(5): ...",
        "place = hash(name) % 10",
    ],
)
def test_asking_the_machine_is_found(source: str) -> None:
    assert [*rules.asks_the_machine(ast.parse(source))]


@pytest.mark.parametrize(
    "source",
    [
        "from pilothouse.machinery import time\nstamp = time.text(clock.now())",
        "now = self._clock.now()",
        "uid = entropy.uid()",
        "from datetime import UTC, datetime\nthen = datetime(2025, 1, 1, tzinfo=UTC)",
        "import numpy as np\nmask = np.zeros(3)",
        "self._clock.call_after(1, wake)",
        "from pilothouse.kit.clock import wait_for\nawait wait_for(clock, work, 5)",
        "digest = revisions.hash",
    ],
)
def test_asking_the_injected_clock_and_entropy_is_not(source: str) -> None:
    assert not [*rules.asks_the_machine(ast.parse(source))]


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        pytest.param("import asyncio\nawait asyncio.sleep(1)", True, id="a sleep"),
        pytest.param("from asyncio import sleep\nawait sleep(seconds)", True, id="under its own name"),
        pytest.param("import asyncio\npause = asyncio.sleep", True, id="handed on"),
        pytest.param("import asyncio\nawait asyncio.wait(tasks, timeout=3)", True, id="a wait with a timeout"),
        pytest.param("import asyncio\nawait asyncio.sleep(0); await asyncio.sleep(1)", True, id="beside a turn of the loop"),
        pytest.param("import asyncio\nawait asyncio.sleep(0)", False, id="one turn of the loop"),
        pytest.param("import asyncio\nawait asyncio.wait(tasks)", False, id="a wait without one"),
        pytest.param("await self._clock.sleep(1)", False, id="a sleep of the clock"),
    ],
)
def test_sleeps(source: str, wrong: bool) -> None:
    assert bool([*rules.sleeps(ast.parse(source))]) is wrong


@pytest.mark.parametrize(
    ("source", "loose", "dropped"),
    [
        pytest.param("import asyncio\nasyncio.create_task(work())", True, True, id="nobody holds it"),
        pytest.param("import asyncio\ntask = asyncio.create_task(work())", True, False, id="somebody holds it"),
        pytest.param("from asyncio import ensure_future as begin\nbegin(work())", True, True, id="under another name"),
        pytest.param("task = loop.create_task(work())", True, False, id="of a loop"),
        pytest.param("self._loop.create_task(work())", True, True, id="of a loop, and nobody holds it"),
        pytest.param("import asyncio\nasyncio.get_running_loop().create_task(work())", True, True, id="of the running loop"),
        pytest.param("import asyncio\ntask = asyncio.Task(work())", True, False, id="made by hand"),
        pytest.param("group.create_task(work())", False, False, id="of a group"),
    ],
)
def test_tasks(source: str, loose: bool, dropped: bool) -> None:
    tree = ast.parse(source)
    assert (bool([*rules.loose_tasks(tree)]), bool([*rules.dropped_tasks(tree)])) == (loose, dropped)


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        pytest.param("from pilothouse.house.plugins.other import Other", True, id="from a neighbour"),
        pytest.param("from pilothouse.house.plugins import other", True, id="a neighbour from the folder"),
        pytest.param("import pilothouse.house.plugins.other", True, id="by its whole name"),
        pytest.param("from .other import Other", True, id="relative"),
        pytest.param("from . import other", True, id="relative, from the folder"),
        pytest.param("def late():\n    from pilothouse.house.plugins.other import Other", True, id="late"),
        pytest.param("from pilothouse.house.framework import Plugin", False, id="from what all share"),
        pytest.param("from pilothouse.house.plugins_order import ORDER", False, id="from a folder of a like name"),
    ],
)
def test_neighbours(source: str, wrong: bool) -> None:
    assert bool([*rules.imports_below(ast.parse(source), "pilothouse.house.plugins")]) is wrong


@pytest.mark.parametrize(
    ("source", "marks", "expected"),
    [
        pytest.param('class A:\n    name = "a"', (), ["A"], id="a class with a name"),
        pytest.param('class A:\n    name: str = "a"\nclass B:\n    name = "b"', (), ["A", "B"], id="two of them"),
        pytest.param("class A:\n    name: str", (), [], id="a class whose instances have one"),
        pytest.param('A = VolumeKind("a")\nB = VolumeKind("b")\nC = Other()', ("VolumeKind",), ["A", "B"], id="values"),
    ],
)
def test_plugins(source: str, marks: tuple[str, ...], expected: list[str]) -> None:
    assert rules.plugins(ast.parse(source), marks) == expected


def lines(count: int, indent: str = "") -> str:
    return "\n".join(f"{indent}x = {number}" for number in range(count))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(lines(600), {}, id="as long as a file may be"),
        pytest.param(lines(601), {"": 601}, id="longer"),
        pytest.param(f"def f():\n{lines(59, '    ')}", {}, id="as long as a function may be"),
        pytest.param(f"def f():\n{lines(60, '    ')}", {"f": 61}, id="longer, a function"),
        pytest.param(f"class A:\n    async def f(self):\n{lines(70, '        ')}", {"A.f": 71}, id="a method"),
        pytest.param(f"if x:\n    def f():\n{lines(70, '        ')}", {"f": 71}, id="a function under a condition"),
    ],
)
def test_sizes(source: str, expected: dict[str, int]) -> None:
    assert rules.sizes(source, ast.parse(source)) == expected


@pytest.mark.parametrize(
    ("now", "allowed", "wrong"),
    [
        pytest.param({}, {}, False, id="nothing"),
        pytest.param({"a": 70}, {"a": 70}, False, id="as it was"),
        pytest.param({"a": 71}, {"a": 70}, True, id="grown"),
        pytest.param({"a": 70, "b": 61}, {"a": 70}, True, id="joined"),
        pytest.param({"a": 65}, {"a": 70}, True, id="shrunk, and not written down"),
        pytest.param({}, {"a": 70}, True, id="gone, and not written down"),
    ],
)
def test_ratchet(now: dict[str, int], allowed: dict[str, int], wrong: bool) -> None:
    assert bool(rules.ratchet(now, allowed)) is wrong


@pytest.mark.parametrize(
    ("source", "count"),
    [
        pytest.param("for one in x: pass", 1, id="a loop"),
        pytest.param("a = [one for one in x]", 1, id="a comprehension"),
        pytest.param("for key, found in x: pass", 1, id="one of two names"),
        pytest.param("for pod in x: one = pod", 1, id="an assignment"),
        pytest.param("box: Sandbox = x", 1, id="an annotated assignment"),
        pytest.param("if found := x: pass", 1, id="a walrus"),
        pytest.param("def f(one, *, found=None): pass", 2, id="parameters"),
        pytest.param("f = lambda one: one.name", 1, id="a lambda"),
        pytest.param("with x as box: pass", 1, id="a with statement"),
        pytest.param("try: pass\nexcept E as found: pass", 1, id="an exception"),
        pytest.param("match x:\n    case [one]: pass", 1, id="a pattern"),
        pytest.param("def f():\n    def one(): pass", 1, id="an inner function"),
        pytest.param("import a as found", 1, id="an import"),
        pytest.param("for pod in pods: print(pod.found, f(one=1))", 0, id="what is only used"),
    ],
)
def test_vague_names(source: str, count: int) -> None:
    assert rules.vague_names(ast.parse(source)) == count


@pytest.mark.parametrize(
    ("source", "count"),
    [
        pytest.param("def f(): pass", 1, id="a function"),
        pytest.param("class A:\n    def f(self): pass", 1, id="a method"),
        pytest.param("def _f(): pass", 0, id="a private function"),
        pytest.param("class _A:\n    def f(self): pass", 0, id="a method of a private class"),
        pytest.param("def f():\n    'What it does.'", 0, id="a function that says what it does"),
        pytest.param("if x:\n    def f(): pass", 1, id="a function under a condition"),
        pytest.param("def f():\n    'What it does.'\n    def g(): pass", 0, id="what a function defines for itself"),
        pytest.param("class A:\n    def test_a_claim_holds(self): pass", 0, id="a test, whose name is its claim"),
    ],
)
def test_undocumented(source: str, count: int) -> None:
    assert rules.undocumented(ast.parse(source)) == count


@pytest.mark.parametrize(
    ("source", "count"),
    [
        pytest.param("class A: pass", 1, id="a class without"),
        pytest.param("class A:\n    'What it is.'", 0, id="a class with one"),
        pytest.param("class _A: pass", 0, id="a private class"),
        pytest.param("def f():\n    class A: pass", 1, id="a class that a function defines"),
    ],
)
def test_undocumented_classes(source: str, count: int) -> None:
    assert rules.undocumented_classes(ast.parse(source)) == count


@pytest.mark.parametrize(
    ("source", "count"),
    [
        pytest.param("class A:\n    'See the module.'", 1, id="a class"),
        pytest.param("def f():\n    'See `A.f`.'", 1, id="a function"),
        pytest.param("class _A:\n    'See the port.'", 1, id="a private class"),
        pytest.param("class A:\n    'What it is; see also B.'", 0, id="what says it and points on"),
    ],
)
def test_pointing_docstrings(source: str, count: int) -> None:
    assert rules.pointing_docstrings(ast.parse(source)) == count


@pytest.mark.parametrize(("count", "short"), [(0, False), (1, True), (14, True), (15, False)])
def test_short_files(count: int, short: bool) -> None:
    assert rules.is_short(lines(count)) is short


def rooms(root: Path) -> Path:
    """The packages of this project without what is in them, under its own contracts."""
    shutil.copy(ROOT / "pyproject.toml", root)
    for path in (SOURCE, *SOURCE.glob("*/"), *SOURCE.glob("apiserver/*/")):
        if (path / "__init__.py").exists():
            made = root / "pilothouse" / path.relative_to(SOURCE)
            made.mkdir(parents=True)
            (made / "__init__.py").touch()
    for file in ("server.py", "routes.py"):
        (root / "pilothouse" / "apiserver" / file).touch()
    return root / "pilothouse"


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        pytest.param("kubelet/probe.py", "import pilothouse.api\n", 0, id="downward"),
        pytest.param("kit/clock.py", "def late():\n    from pilothouse.machinery import struct\n", 1, id="upward"),
        pytest.param("scheduler/bind.py", "import pilothouse.apiserver\n", 1, id="from one component to another"),
        pytest.param("apiserver/storage/memory.py", "import pilothouse.apiserver.registry\n", 1, id="upward inside the API server"),
        pytest.param("attic/__init__.py", "", 1, id="a room that is not in the picture"),
        pytest.param("attic.py", "", 1, id="a file beside the rooms"),
        pytest.param("apiserver/attic.py", "", 1, id="a file beside the rooms of the API server"),
        pytest.param(
            "kit/clock.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pilothouse.api\n",
            1,
            id="upward for the type checker alone",
        ),
    ],
)
def test_layers(tmp_path: Path, file: str, text: str, code: int) -> None:
    path = rooms(tmp_path) / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert lint_imports(tmp_path).returncode == code


@pytest.mark.parametrize("source", ["n = int(text)", "n = float(header.strip())", "n = int(a + b)", "n = int(text, 16)", "n = int(x or 0)"])
def test_python_reading_numbers_is_found(source: str) -> None:
    assert [*rules.python_numbers(ast.parse(source))]


@pytest.mark.parametrize(
    "source", ["n = int(seconds * 1000)", "n = float('-inf')", "n = int(a / b)", "n = int(-(-a // b))", "n = int(a != b)"]
)
def test_python_reckoning_is_not(source: str) -> None:
    assert not [*rules.python_numbers(ast.parse(source))]


@pytest.mark.parametrize(
    "source",
    [
        "async def run():\n    open(path)",
        "import os\nasync def run():\n    if ready:\n        os.stat(path)",
        "from os import walk\nasync def run():\n    for folder in walk(root): ...",
        "import shutil\nclass A:\n    async def run(self):\n        shutil.rmtree(path)",
        "async def run():\n    return path.read_text()",
        "import socket\nasync def run():\n    return socket.getaddrinfo(host, None)",
    ],
)
def test_what_blocks_the_loop_is_found(source: str) -> None:
    assert [*rules.blocks_the_loop(ast.parse(source))]


@pytest.mark.parametrize(
    "source",
    [
        "import os\ndef run():\n    os.stat(path)",
        "import asyncio, os\nasync def run():\n    await asyncio.to_thread(os.stat, path)",
        "import os\nasync def run():\n    await calls.run(path, 3, lambda: os.makedirs(path))",
        "async def run():\n    def work():\n        open(path)\n    await asyncio.to_thread(work)",
        "async def run():\n    await host.mount(source, target)",
    ],
)
def test_what_leaves_it_to_threads_is_not(source: str) -> None:
    assert not [*rules.blocks_the_loop(ast.parse(source))]


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        pytest.param('ZONE = "topology.kubernetes.io/zone"', ["topology.kubernetes.io/zone"], id="a label"),
        pytest.param('A, B = "kubernetes.io/a", "kubernetes.io/"', ["kubernetes.io/a"], id="two, one a mere domain"),
        pytest.param('ZONE: Final = "kubernetes.io/zone"', ["kubernetes.io/zone"], id="with its type"),
        pytest.param('HELP = "see kubernetes.io/zone"', [], id="a sentence"),
        pytest.param('def f(): x = "kubernetes.io/zone"', [], id="inside a function"),
    ],
)
def test_well_known_keys(source: str, keys: list[str]) -> None:
    assert [*rules.well_known_keys(ast.parse(source))] == keys
