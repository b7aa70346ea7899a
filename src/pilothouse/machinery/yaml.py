"""YAML as Kubernetes reads it: what go-yaml v2 and the conversion to JSON after it make of a document, in bounded time and memory.

- `parse` gives what the JSON of the first document would give; map keys become strings, the last of equal ones wins.
- Values are built from the parser's events, one after the other: no tree of nodes, and no recursion.
- What aliases unfold into is counted as go-yaml counts it, and bounded in bytes too; so is the depth.
- Imported late: only whoever meets YAML pays for PyYAML.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.reader import ReaderError
from yaml.scanner import ScannerError

from pilothouse.machinery.yaml_scalars import MERGE, go_syntax, key_text, resolve

DEPTH_LIMIT = 500
UNFOLDED_LIMIT_BYTES = 16 << 20
"""Text that aliases may repeat in sum; what an API server stores is a tenth of it."""
LOW_DECODES, HIGH_DECODES = 400_000, 4_000_000
SHORT_SCALAR, SCALARS_REMEMBERED = 16, 4096
REPEATED_LIMIT = 10_000
DECODING, CONVERTING, ENCODING = range(3)
"""Stages in which upstream finds faults, after the syntax."""
TOO_DEEP = "exceeded max depth"
SCANNER_TOO_DEEP = "exceeded maximum nesting depth"
"""libyaml's own word from 0.2.6 on."""
TOO_MANY = "document contains excessive aliasing"
WANT_MAP = "map merge requires map or sequence of maps as the value"

Parser: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class YamlError(ValueError):
    """The text is no YAML, or no document that JSON could say; the message is upstream's."""


def parse(text: bytes | str, repeated: list[str] | None = None) -> Any:
    """The first document of `text`, what follows it is not looked at, as upstream; YamlError with upstream's wording.
    `repeated` gets a line for each key that is there twice: an error only to who asks for strictness."""
    return next(_documents(text, [] if repeated is None else repeated), None)


def parse_all(text: bytes | str, repeated: list[str] | None = None) -> list[Any]:
    """Every document of `text`, None for an empty one; YamlError as `parse`."""
    return [*_documents(text, [] if repeated is None else repeated)]


def _documents(text: bytes | str, repeated: list[str]) -> Iterator[Any]:
    try:
        parser = Parser(text)
        try:
            while (document := _Document(parser, repeated)).read():
                yield document.result
        finally:
            parser.dispose()
    except yaml.YAMLError as error:
        raise YamlError(f"yaml: {_worded(error)}") from error
    except UnicodeEncodeError as error:
        raise YamlError("yaml: invalid leading UTF-8 octet") from error


def unmarshal_errors(repeated: list[str]) -> str:
    """Go's words for the keys that `parse` found to be repeated."""
    return "\n  ".join(["yaml: unmarshal errors:", *repeated])


def _worded(error: yaml.YAMLError) -> str:
    """The problem after its line, which go-yaml counts from 0 in the parser and from 1 in the scanner, and leaves out where it is 0."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if problem == SCANNER_TOO_DEEP:
        return TOO_DEEP
    if isinstance(error, ReaderError):
        return str(problem)
    line, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    number = 0
    if line is not None and line.line:
        number = line.line + isinstance(error, ScannerError)
    elif context is not None:
        number = context.line
    return f"line {number}: {problem}" if number else str(problem)


NO_KEY = object()


class _Frame:
    """A list or a map that is being filled. `decodes` and `size` count what is in it, unfolded."""

    __slots__ = ("anchor", "decodes", "key", "line", "lines", "merging", "size", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None, line: int) -> None:
        self.value = value
        self.anchor = anchor
        self.line = line
        self.key: Any = NO_KEY
        self.merging = False
        """Of a map: the next value is to be merged into it. Of a list: it is such a value."""
        self.decodes = 1
        self.size = 0
        self.lines: dict[str, int] | None = None
        """Where the keys' values begin: kept where the map may be merged into another."""


@dataclass(slots=True)
class _Anchored:
    """What an alias stands for."""

    value: Any
    decodes: int
    size: int


class _Document:
    """Builds the value of one document."""

    def __init__(self, parser: Any, repeated: list[str]) -> None:
        self.parser = parser
        self.repeated = repeated
        self.frames: list[_Frame] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.scalars: dict[str, Any] = {}
        self.decodes = self.aliased = self.unfolded = 0
        self.merge_lines: dict[int, dict[str, int]] = {}
        self.result: Any = None
        self.failure: tuple[int, str] | None = None

    def _fail(self, stage: int, message: str) -> None:
        """Note what is wrong; upstream finds it in an earlier or a later stage, and all of it after what is wrong with the syntax."""
        if self.failure is None or stage < self.failure[0]:
            self.failure = (stage, message)

    def read(self) -> bool:
        """Build `result`; False at the end of the stream."""
        get = self.parser.get_event
        while True:
            event = get()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent:
                self._open(event, {})
            elif kind is yaml.SequenceStartEvent:
                self._open(event, [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.StreamEndEvent or event is None:
                return False
            elif kind is yaml.DocumentEndEvent:
                break
        if self.failure is not None:
            raise YamlError(self.failure[1])
        return True

    def _scalar(self, event: Any) -> None:
        text, tag, plain = event.value, event.tag, event.implicit[0]
        self.decodes += 1
        if text == "<<" and (plain or tag == MERGE) and self._merge_begins():
            return
        if tag is not None:
            value = self._resolved(text, tag)
        elif plain:
            value = self._remembered(text) if len(text) <= SHORT_SCALAR else self._resolved(text, "")
        else:
            value = text
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(value, 1, len(text))
        self._put(value, event.start_mark.line + 1, 1, len(text))

    def _merge_begins(self) -> bool:
        """Whether `<<` stands where a key is expected; then the next value is merged."""
        frame = self.frames[-1] if self.frames else None
        if frame is None or type(frame.value) is not dict or frame.key is not NO_KEY:
            return False
        frame.merging, frame.key = True, "<<"
        return True

    def _remembered(self, text: str) -> Any:
        if text in self.scalars:
            return self.scalars[text]
        value = self._resolved(text, "")
        if len(self.scalars) < SCALARS_REMEMBERED:
            self.scalars[text] = value
        return value

    def _resolved(self, text: str, tag: str) -> Any:
        try:
            return resolve(text, tag)
        except ValueError as error:
            self._fail(DECODING, f"yaml: {error}")
            return text

    def _open(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        self.decodes += 1
        if len(self.frames) >= DEPTH_LIMIT:
            raise YamlError(f"yaml: {TOO_DEEP}")
        frame = _Frame(value, event.anchor, event.start_mark.line + 1)
        merged = bool(self.frames) and self.frames[-1].merging
        if event.anchor is not None:
            self.anchors[event.anchor] = None  # an alias within would contain itself
        if type(value) is list:
            frame.merging = merged
        elif merged or event.anchor is not None:
            frame.lines = self.merge_lines[id(value)] = {}
        self.frames.append(frame)

    def _close(self) -> None:
        frame = self.frames.pop()
        if frame.anchor is not None:
            self.anchors[frame.anchor] = _Anchored(frame.value, frame.decodes, frame.size)
        self._put(frame.value, frame.line, frame.decodes, frame.size)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            raise YamlError(f"yaml: unknown anchor '{event.anchor}' referenced")
        target = self.anchors[event.anchor]
        if target is None:
            self._fail(DECODING, f"yaml: anchor '{event.anchor}' value contains itself")
            target = _Anchored(None, 1, 0)
        self.decodes += 1 + target.decodes
        self.aliased += target.decodes
        self.unfolded += target.size
        excessive = self.aliased > 100 and self.decodes > 1000 and self.aliased / self.decodes > allowed_ratio(self.decodes)
        if excessive or self.unfolded > UNFOLDED_LIMIT_BYTES:
            raise YamlError(f"yaml: {TOO_MANY}")
        self._put(target.value, event.start_mark.line + 1, 1 + target.decodes, target.size, alias=True)

    def _put(self, value: Any, line: int, decodes: int, size: int, *, alias: bool = False) -> None:
        """Give a whole value to the list or map that it stands in; `line` is where it begins."""
        if not self.frames:
            self.result = self._finite(value)
            return
        frame = self.frames[-1]
        frame.decodes += decodes
        frame.size += size
        if type(frame.value) is list:
            if frame.merging and type(value) is not dict:
                self._fail(DECODING, f"yaml: {WANT_MAP}")
            frame.value.append(self._finite(value))
        elif frame.key is NO_KEY:
            if isinstance(value, (dict, list)):
                self._fail(DECODING, f"yaml: invalid map key: {go_syntax(value)}")
                value = ""
            frame.key = value
        elif frame.merging:
            self._merge(frame, value, alias)
            frame.merging, frame.key = False, NO_KEY
        else:
            self._set(frame, frame.key, self._finite(value), line)
            frame.key = NO_KEY

    def _set(self, frame: _Frame, key: Any, value: Any, line: int) -> None:
        assert isinstance(frame.value, dict)
        try:
            name = key if type(key) is str else key_text(key, value)
        except ValueError as error:
            self._fail(CONVERTING, str(error))
            name = ""
        if name in frame.value:
            self._repeats(key, line)
        frame.value[name] = value
        if frame.lines is not None:
            frame.lines[name] = line

    def _merge(self, frame: _Frame, value: Any, alias: bool) -> None:
        """Put the keys of a map, or of each map of a list (the earlier ones win), where `<<` stands: keys after it win over them."""
        assert isinstance(frame.value, dict)
        for each in reversed(value) if type(value) is list and not alias else [value]:
            if type(each) is not dict:
                self._fail(DECODING, f"yaml: {WANT_MAP}")
                continue
            for name, member in each.items():
                if name in frame.value:
                    self._repeats(name, self.merge_lines.get(id(each), {}).get(name, frame.line))
                frame.value[name] = member

    def _repeats(self, key: Any, line: int) -> None:
        if len(self.repeated) < REPEATED_LIMIT:
            self.repeated.append(f"line {line}: key {go_syntax(key)} already set in map")

    def _finite(self, value: Any) -> Any:
        if type(value) is float and not math.isfinite(value):
            shown = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
            self._fail(ENCODING, f"json: unsupported value: {shown}")
        return value


def allowed_ratio(decodes: int) -> float:
    """Allowed ratio of decoded values from aliases (go-yaml's allowedAliasRatio)."""
    if decodes <= LOW_DECODES:
        return 0.99
    if decodes >= HIGH_DECODES:
        return 0.10
    return 0.99 - 0.89 * (decodes - LOW_DECODES) / (HIGH_DECODES - LOW_DECODES)
