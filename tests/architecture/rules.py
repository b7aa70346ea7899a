"""The checks behind the rules, each a pure function of one parsed file: so that test_rules_can_fail.py can try a violation of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

FILE_LINES, FUNCTION_LINES = 600, 60

BANNED_MODULES = ("time", "random", "uuid", "secrets", "numpy.random")
BANNED_NAMES = (
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    "datetime.date.today",
    "os.urandom",
    "os.getrandom",
    "ssl.RAND_bytes",
    "asyncio.timeout",
    "asyncio.timeout_at",
    "asyncio.wait_for",
    "threading.Timer",
    "hash",
)
"""`hash` of a text is another in every process."""
BANNED_METHODS = ("call_later", "call_at")
"""Of an event loop: its time is the machine's."""
TASKS = ("asyncio.create_task", "asyncio.ensure_future")
LOOPS = ("loop", "get_running_loop", "get_event_loop")
"""What an event loop is called, or got by."""


FILES_REMEMBERED = 2_000


class Found(NamedTuple):
    line: int
    what: str


@lru_cache(FILES_REMEMBERED)
def walked(tree: ast.Module) -> Sequence[ast.AST]:
    """All nodes of a file, in the order of `ast.walk`: a dozen rules ask, and walking is most of what they cost."""
    return [*ast.walk(tree)]


def local_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `{"now": "datetime.datetime.now"}`."""
    names: dict[str, str] = {}
    for node in walked(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                names[one.asname or one.name.partition(".")[0]] = one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                names[one.asname or one.name] = f"{'.' * node.level}{node.module or ''}.{one.name}"
    return names


def qualified(node: ast.expr, names: dict[str, str]) -> str:
    """The full name of a dotted expression; empty when it is none."""
    if isinstance(node, ast.Attribute):
        base = qualified(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def references(tree: ast.Module) -> Iterator[Found]:
    """Every dotted name that the file mentions, called or handed on, under its full name."""
    yield from (found for _, found in named(tree))


@lru_cache(FILES_REMEMBERED)
def named(tree: ast.Module) -> Sequence[tuple[ast.expr, Found]]:
    """The same, each with where it stands in the tree."""
    return [*_named(tree)]


def _named(tree: ast.Module) -> Iterator[tuple[ast.expr, Found]]:
    names = local_names(tree)
    inner = {id(node.value) for node in walked(tree) if isinstance(node, ast.Attribute)}
    for node in walked(tree):
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in inner and isinstance(node.ctx, ast.Load):
            name = qualified(node, names)
            if name:
                yield node, Found(node.lineno, name)


def imports(tree: ast.Module) -> Iterator[Found]:
    """Every module that the file imports, and for `from a import b` also `a.b`, which may be one."""
    for node in walked(tree):
        if isinstance(node, ast.Import):
            yield from (Found(node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{'.' * node.level}{node.module or ''}"
            yield Found(node.lineno, module)
            yield from (Found(node.lineno, f"{module.rstrip('.')}.{one.name}") for one in node.names)


def asks_the_machine(tree: ast.Module) -> Iterator[Found]:
    """Time, randomness and ids that come from elsewhere than the injected clock and entropy."""
    for line, name in imports(tree):
        if any(name == banned or name.startswith(f"{banned}.") for banned in BANNED_MODULES):
            yield Found(line, f"import {name}")
    for line, name in references(tree):
        if name in BANNED_NAMES or name.startswith("numpy.random."):
            yield Found(line, name)
    for node in walked(tree):
        if isinstance(node, ast.Attribute) and (node.attr in BANNED_METHODS or _is_loop_time(node)):
            yield Found(node.lineno, node.attr)


def _is_loop_time(node: ast.Attribute) -> bool:
    return node.attr == "time" and _is_of_loop(node)


def _is_of_loop(node: ast.Attribute) -> bool:
    owner = node.value.func if isinstance(node.value, ast.Call) else node.value
    return ast.unparse(owner).rpartition(".")[2].lstrip("_") in LOOPS


def sleeps(tree: ast.Module) -> Iterator[Found]:
    """`asyncio.sleep` other than `asyncio.sleep(0)`, which is one turn of the loop and no sleep; `asyncio.wait` with a timeout."""
    names = local_names(tree)
    turns: list[ast.expr] = []
    for node in walked(tree):
        if not isinstance(node, ast.Call):
            continue
        name = qualified(node.func, names)
        if name == "asyncio.sleep" and len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0:
            turns.append(node.func)
        if name == "asyncio.wait" and any(one.arg == "timeout" for one in node.keywords):
            yield Found(node.lineno, "asyncio.wait(timeout=)")
    yield from (found for node, found in named(tree) if found.what == "asyncio.sleep" and not any(node is one for one in turns))


def loose_tasks(tree: ast.Module) -> Iterator[Found]:
    """Tasks that belong to no TaskGroup."""
    names = local_names(tree)
    yield from (one for one in references(tree) if one.what in TASKS)
    for node in walked(tree):
        if isinstance(node, ast.Call) and qualified(node.func, names) == "asyncio.Task":
            yield Found(node.lineno, "asyncio.Task()")
        if isinstance(node, ast.Attribute) and node.attr == "create_task" and _is_of_loop(node):
            yield Found(node.lineno, ast.unparse(node))


def dropped_tasks(tree: ast.Module) -> Iterator[Found]:
    """Tasks that nobody holds: they may vanish in the middle of their work, and nobody hears of their failure."""
    names = local_names(tree)
    for node in walked(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            made = node.value.func
            of_loop = isinstance(made, ast.Attribute) and made.attr == "create_task" and _is_of_loop(made)
            if of_loop or qualified(made, names) in TASKS:
                yield Found(node.lineno, ast.unparse(made))


def imports_below(tree: ast.Module, package: str) -> Iterator[Found]:
    """What a file of `package` imports of its neighbours, in whatever way."""
    for line, name in imports(tree):
        level = len(name) - len(name.lstrip("."))
        if level == 1 or name.startswith(f"{package}."):
            yield Found(line, name)


def plugins(tree: ast.Module, marks: tuple[str, ...] = ()) -> list[str]:
    """The plugins that a file defines: classes with a `name` of their own, or values made by one of the calls `marks`."""
    found: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(_names_itself(one) for one in node.body) and not marks:
            found.append(node.name)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in marks:
            found.append(ast.unparse(node.targets[0]))
    return found


def _names_itself(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(one, ast.Name) and one.id == "name" for one in node.targets)
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "name" and node.value is not None


def sizes(source: str, tree: ast.Module) -> dict[str, int]:
    """What exceeds the limits, with its lines: the file itself under an empty name, functions and methods under theirs."""
    found: dict[str, int] = {}
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        found[""] = lines
    for name, node in functions(tree):
        length = (node.end_lineno or 0) - node.lineno + 1
        if length > FUNCTION_LINES:
            found[name] = length
    return found


def functions(node: ast.AST, within: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function under its full name: two methods of one name are two."""
    for one in ast.iter_child_nodes(node):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{within}.{one.name}" if within else one.name
            if not isinstance(one, ast.ClassDef):
                yield name, one
            yield from functions(one, name)
        else:
            yield from functions(one, within)


def ratchet(now: dict[str, int], allowed: dict[str, int]) -> list[str]:
    """Where the present differs from what is allowed: nothing may grow or join, and what shrank must be written down."""
    wrong = [f"{name}: {lines}, allowed are {allowed.get(name, 0)}" for name, lines in now.items() if lines > allowed.get(name, 0)]
    return wrong + [f"{name}: only {now.get(name, 0)} now, take {lines} out" for name, lines in allowed.items() if now.get(name, 0) < lines]


def python_numbers(tree: ast.Module) -> Iterator[Found]:
    """Calls of int() and float(), which take more than Go does, on anything but a constant or arithmetic: perhaps on text from outside."""
    for node in walked(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in ("int", "float"):
            continue
        if len(node.args) != 1 or not _is_arithmetic(node.args[0]):
            yield Found(node.lineno, ast.unparse(node))


def _is_arithmetic(node: ast.expr) -> bool:
    """Whether an expression can only be a number: a sum or product of anything is, but a text times a number is a text."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mult | ast.Div | ast.FloorDiv | ast.Sub | ast.Pow) or _is_arithmetic(node.left)
    return isinstance(node, ast.UnaryOp | ast.Compare | ast.Constant)


BLOCKING_CALLS = (
    "open",
    "socket.getaddrinfo",
    "socket.create_connection",
    "subprocess.run",
    "subprocess.check_output",
    "subprocess.call",
    *(f"shutil.{name}" for name in ("rmtree", "copyfileobj", "copytree", "move", "disk_usage")),
    *(
        f"os.{name}"
        for name in (
            *(
                "open",
                "stat",
                "lstat",
                "listdir",
                "scandir",
                "walk",
                "mkdir",
                "makedirs",
                "unlink",
                "rename",
                "rmdir",
                "symlink",
                "readlink",
            ),
            *("chmod", "chown", "lchown", "statvfs", "path.exists", "path.isdir", "path.isfile", "path.islink", "path.realpath"),
        )
    ),
)
BLOCKING_METHODS = ("open", "read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "glob", "rglob", "is_dir", "is_file")
"""Of a path."""


def blocks_the_loop(tree: ast.Module) -> Iterator[Found]:
    """Calls that may wait for a disk, a mount or a server, made in a coroutine itself and not in a thread."""
    names = local_names(tree)
    for _, function in functions(tree):
        if isinstance(function, ast.AsyncFunctionDef):
            for call in _own_calls(function):
                name = qualified(call.func, names)
                method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
                if name in BLOCKING_CALLS or (method in BLOCKING_METHODS and not name.startswith(("os.", "webbrowser."))):
                    yield Found(call.lineno, ast.unparse(call.func))


def _own_calls(function: ast.AST) -> Iterator[ast.Call]:
    """Calls in its own body, not in functions that it defines."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node
        yield from _own_calls(node)


VAGUE_NAMES = ("one", "found", "box")
"""Names that say nothing of what they hold."""


def vague_names(tree: ast.Module) -> int:
    """How many variables, parameters and functions are called `one`, `found` or `box`, each counted where it is bound."""
    return sum(name in VAGUE_NAMES for node in walked(tree) for name in _bound(node))


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds itself."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        yield node.name or ""
    elif isinstance(node, ast.alias):
        yield node.asname or node.name


def undocumented(tree: ast.Module) -> int:
    """How many public functions and methods of public classes have no docstring. The name of a test is its claim and says enough."""
    return sum(ast.get_docstring(node) is None for node in _public_functions(tree) if not node.name.startswith("test_"))


def pointing_docstrings(tree: ast.Module) -> int:
    """How many docstrings only say where to look ("See the module")."""
    documented = [node for node in walked(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    return sum((ast.get_docstring(node) or "").startswith("See ") for node in documented)


def undocumented_classes(tree: ast.Module) -> int:
    """How many public classes have no docstring."""
    classes = [node for node in walked(tree) if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    return sum(ast.get_docstring(node) is None for node in classes)


def _public_functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Those that can be called from outside: neither private ones nor what a function defines for itself."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not child.name.startswith("_"):
                yield from (child,) if not isinstance(child, ast.ClassDef) else _public_functions(child)
        else:
            yield from _public_functions(child)


SHORT_LINES = 15


def is_short(source: str) -> bool:
    """Whether a file is too small to be a chapter; empty packages are none."""
    return 0 < len(source.splitlines()) < SHORT_LINES


WELL_KNOWN = re.compile(r"[a-z0-9.-]*kubernetes\.io/[\w.-]+")


def well_known_keys(tree: ast.Module) -> Iterator[str]:
    """Keys of labels, annotations and taints that a module gives a name of its own."""
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        for part in value.elts if isinstance(value, ast.Tuple) else [value]:
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and WELL_KNOWN.fullmatch(part.value):
                yield part.value
