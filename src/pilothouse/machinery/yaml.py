"""YAML as Kubernetes reads it: YAML 1.1's booleans and octals, no sexagesimal numbers, no timestamps.

- `parse` gives what the JSON of the first document would give; map keys become strings, the last of equal ones wins.
- Imported late: only whoever meets YAML pays for PyYAML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode

from pilothouse.machinery import yaml_limits

INTEGER_LIMIT = 1 << 63

Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """The text is no YAML, or no document that JSON could say; the message is worded as upstream's."""


class Loader(Base):  # type: ignore[misc]
    """The C loader with resolver and constructors of our own."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def __init__(self, text: str, repeated: list[str]) -> None:
        super().__init__(text)
        self.repeated = repeated


def _bool(loader: Any, node: Any) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "true", "on")


def _integer(loader: Any, node: Any) -> int | float:
    found = _whole(loader, node)
    if -INTEGER_LIMIT <= found < 2 * INTEGER_LIMIT:
        return found
    try:
        return float(found)
    except OverflowError as error:
        raise ConstructorError(None, None, "json: unsupported value: +Inf", None) from error


def _whole(loader: Any, node: Any) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits.startswith("0") and digits.isdigit() and len(digits) > 1:
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _number(loader: Any, node: Any) -> float | str:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    special = {".inf": "+Inf", "+.inf": "+Inf", "-.inf": "-Inf", ".nan": "NaN"}
    if text in special:
        raise ConstructorError(None, None, f"json: unsupported value: {special[text]}", None)
    found = float(text)
    return str(node.value) if math.isinf(found) else found


def _binary(loader: Any, node: Any) -> str:
    found: bytes = loader.construct_yaml_binary(node)
    return found.decode(errors="replace")


def _text(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node))


def _mapping(loader: Any, node: MappingNode) -> dict[str, Any]:
    own: set[str] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = _key(loader.construct_object(key_node, deep=True))
        if key in own:
            loader.repeated.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
        own.add(key)
    loader.flatten_mapping(node)  # puts what `<<` brings in front: a map's own keys win
    pairs = ((_key(loader.construct_object(key, deep=True)), loader.construct_object(value, deep=True)) for key, value in node.value)
    return dict(pairs)


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ConstructorError(None, None, f"unsupported map key of type: {type(value).__name__}", None)


Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile(r"^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"),
    list("yYnNtTfFoO"),
)
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0b[01_]+|0o[0-7]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
    list("-+0123456789."),
)
Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])
Loader.add_constructor("tag:yaml.org,2002:bool", _bool)
Loader.add_constructor("tag:yaml.org,2002:int", _integer)
Loader.add_constructor("tag:yaml.org,2002:float", _number)
Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
Loader.add_constructor("tag:yaml.org,2002:binary", _binary)
Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)
for _tag in ("omap", "pairs", "set"):  # JSON has none of these
    Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", Base.construct_undefined)


def parse(text: bytes | str, repeated: list[str] | None = None) -> Any:
    """The first document of `text`, what follows it is not looked at, as upstream; YamlError with upstream's wording.
    `repeated` gets a line for each key that is there twice: an error only to who asks for strictness."""
    try:
        whole = text.decode() if isinstance(text, bytes) else text
        yaml_limits.check_depth(whole, Base)
        found = _first_document(Loader(whole, [] if repeated is None else repeated))
        if "*" in whole and "&" in whole:
            yaml_limits.check_size(found)
        return found
    except yaml.YAMLError as error:
        raise YamlError(f"yaml: {_worded(error)}") from error
    except (ValueError, RecursionError) as error:
        raise YamlError(f"yaml: {error}") from error


def parse_all(text: bytes | str, repeated: list[str] | None = None) -> list[Any]:
    """Every document of `text`, None for an empty one; YamlError as `parse`."""
    try:
        whole = text.decode() if isinstance(text, bytes) else text
        yaml_limits.check_depth(whole, Base)
        found = [*_documents(Loader(whole, [] if repeated is None else repeated))]
        if "*" in whole and "&" in whole:
            yaml_limits.check_size(found)
        return found
    except yaml.YAMLError as error:
        raise YamlError(f"yaml: {_worded(error)}") from error
    except (ValueError, RecursionError) as error:
        raise YamlError(f"yaml: {error}") from error


def _documents(loader: Any) -> Iterator[Any]:
    try:
        while loader.check_data():
            yield loader.get_data()
    finally:
        loader.dispose()


def _first_document(loader: Any) -> Any:
    try:
        return loader.get_data() if loader.check_data() else None
    finally:
        loader.dispose()


def unmarshal_errors(repeated: list[str]) -> str:
    """Go's words for the keys that `parse` found to be repeated."""
    return "\n  ".join(["yaml: unmarshal errors:", *repeated])


def _worded(error: yaml.YAMLError) -> str:
    """Go's words: its parser counts lines from zero, its scanner from one, and neither names the first."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    if mark is None or mark.line == 0:
        return problem
    return f"line {mark.line + isinstance(error, yaml.scanner.ScannerError)}: {problem}"
