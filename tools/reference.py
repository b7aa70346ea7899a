"""Write the reference pages from the code, so that no kind, controller, plugin, command or flag is undocumented.

python tools/reference.py            write docs/reference/
python tools/reference.py --check    exit 1 when a committed page differs from what would be written
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"


def first_sentence(thing: Any) -> str:
    """What a docstring promises in its first paragraph, on one line."""
    text = inspect.getdoc(thing) or ""
    return " ".join(text.partition("\n\n")[0].split())


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(one.replace("|", "\\|") for one in line) + " |" for line in lines)


def page(title: str, body: str) -> str:
    return f"# {title}\n\nWritten by tools/reference.py; do not edit.\n\n{body}\n"


def kinds() -> str:
    from pilothouse.api.catalogue import resources

    rows = (
        (
            one.kind,
            one.api_version,
            one.plural,
            ", ".join(one.short_names),
            "namespace" if one.namespaced else "cluster",
            ", ".join(one.verbs),
            ", ".join(one.subresources),
        )
        for one in resources()
    )
    return page("Kinds", table(["kind", "version", "plural", "short names", "scope", "verbs", "subresources"], rows))


def controllers() -> str:
    from pilothouse.controllers.manager import controllers as found

    return page("Controllers", table(["name", "what it does"], ((one.name, first_sentence(type(one))) for one in found())))


def admission() -> str:
    from pilothouse.apiserver.admission.order import ORDER

    return page("Admission plugins, in their order", table(["name", "what it does"], ((one.name, first_sentence(one)) for one in ORDER)))


def scheduling() -> str:
    import pilothouse.scheduler.plugins
    from pilothouse.kit import plugins

    def rows() -> Iterator[tuple[str, str]]:
        for module in plugins.modules(pilothouse.scheduler.plugins):
            for value in vars(module).values():
                name = getattr(value, "name", None)
                if isinstance(value, type) and value.__module__ == module.__name__ and isinstance(name, str):
                    yield name, first_sentence(module).removeprefix(f"{name}: ")

    return page("Scheduler plugins", table(["name", "what it does"], sorted(rows())))


def commands() -> str:
    from pilothouse.cmd.pilothouse import parser

    return page("Commands", "\n\n".join(describe(parser())))


def describe(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The parser and those of its subcommands, with every flag."""
    yield f"## {parser.prog}\n\n{' '.join((parser.description or '').split())}"
    flags = [
        one
        for one in parser._actions
        if not isinstance(one, argparse._HelpAction | argparse._SubParsersAction) and one.help != argparse.SUPPRESS
    ]
    if flags:
        yield table(["flag", "what it says"], ((", ".join(one.option_strings) or one.dest, said(one)) for one in flags))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from describe(one)


def said(action: argparse.Action) -> str:
    """A flag's help with its default and choices filled in; a flag without help is a bug."""
    assert action.help, f"{action.option_strings} has no help"
    return action.help % vars(action)


def testing() -> str:
    """What testers may import, each class with its public methods and properties."""
    from pilothouse import testing

    return page("pilothouse.testing", "\n\n".join(described(name, getattr(testing, name)) for name in testing.__all__))


def described(name: str, thing: type[Any]) -> str:
    members = {known: value for known, value in vars(thing).items() if not known.startswith("_")}
    rows = [
        (f"`{known}`" if isinstance(value, property) else f"`{known}{arguments(value)}`", first_sentence(value))
        for known, value in members.items()
        if isinstance(value, property | classmethod) or inspect.isfunction(value)
    ]
    fields = ", ".join(f"`{known}`" for known in getattr(thing, "__dataclass_fields__", ()))
    parts = [f"## {name}", first_sentence(thing), fields and f"Fields: {fields}.", table(["member", "what it does"], rows) if rows else ""]
    return "\n\n".join(filter(None, parts))


def arguments(function: Any) -> str:
    """The names of a method's parameters, those by keyword behind the star."""
    known = inspect.signature(getattr(function, "__func__", function)).parameters.values()
    shown = [str(each.replace(annotation=inspect.Parameter.empty)) for each in known if each.name not in ("self", "cls")]
    by_keyword = [each for each in known if each.kind is inspect.Parameter.KEYWORD_ONLY]
    if by_keyword and not any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in known):
        shown.insert(len([each for each in known if each.name not in ("self", "cls") and each.kind is each.POSITIONAL_OR_KEYWORD]), "*")
    return f"({', '.join(shown)})"


PAGES = {
    "kinds": kinds,
    "controllers": controllers,
    "admission": admission,
    "scheduling": scheduling,
    "commands": commands,
    "testing": testing,
}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page differs")
    check = options.parse_args().check
    stale = 0
    for name, make in PAGES.items():
        path, text = FOLDER / f"{name}.md", make()
        if check and (not path.exists() or path.read_text() != text):
            print(f"stale: {path.relative_to(ROOT)}; run `make docs`", file=sys.stderr)
            stale = 1
        elif not check:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main())
