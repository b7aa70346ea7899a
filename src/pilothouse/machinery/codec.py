"""Encoding and decoding of objects.

- The fast path is the typed decoder on the bytes as they came; all else happens only for what it refuses, and for
  null, YAML and strictness.
- Whatever is wrong with the input is a 400 StatusError in upstream's words; nothing else is raised.
- `encode` writes what Go's encoder would: fields in the order of the struct, maps sorted by key, `<`, `>`, `&`, U+2028 and U+2029 escaped.

How large a body may be is the server's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import orjson

from pilothouse import API_LEVEL
from pilothouse.machinery import coercing, rawextension, strict
from pilothouse.machinery.errors import StatusError, bad_request, unsupported_media_type
from pilothouse.machinery.meta_v1 import ManagedFieldsEntry
from pilothouse.machinery.parsing import JSON as JSON
from pilothouse.machinery.parsing import YAML as YAML
from pilothouse.machinery.parsing import YAML_ERROR as YAML_ERROR
from pilothouse.machinery.parsing import ReadYaml as ReadYaml
from pilothouse.machinery.parsing import go_number as go_number
from pilothouse.machinery.parsing import is_yaml as is_yaml
from pilothouse.machinery.parsing import parse as parse
from pilothouse.machinery.rawextension import ESCAPES
from pilothouse.machinery.shape import OPEN, shape_of
from pilothouse.machinery.unstructured import Unstructured, decode_hook, encode_hook

if TYPE_CHECKING:
    from pilothouse.machinery.resource import Resource

T = TypeVar("T")

SUMMARY_BYTES = 30
MANAGED_FIELDS = b"managedFields"

_encode: Callable[[Any], bytes] = msgspec.json.Encoder(order="deterministic", enc_hook=encode_hook).encode
LINE_SEPARATORS = b"\xe2\x80"
"""How U+2028 and U+2029 begin in UTF-8."""
LESS, GREATER, AMPERSAND = b"<>&"
"""Bytes as numbers: looking for one takes a tenth of looking for a text of one byte."""


def encode(obj: Any) -> bytes:
    """The JSON of a struct, or of a dict, as Go writes it."""
    data = _encode(obj)
    if LESS in data or GREATER in data or AMPERSAND in data or (not data.isascii() and LINE_SEPARATORS in data):
        for raw, escape in ESCAPES:
            data = data.replace(raw, escape)
    return data


@dataclass(slots=True)
class Decoded:
    """A decoded object (a dict for custom resources), with warnings for the client."""

    object: Any
    warnings: list[str] = field(default_factory=list)


_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def decoder_of(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The typed decoder of a struct class; shared, since making one takes milliseconds. That of a kind made at run time goes with it."""
    if issubclass(kind, Unstructured):
        if kind.DECODER is None:
            kind.DECODER = msgspec.json.Decoder(kind, dec_hook=decode_hook)
        return kind.DECODER
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind, dec_hook=decode_hook)
    return decoder


def convert(value: Any, kind: type[T]) -> T:
    """An object of parsed JSON; msgspec.ValidationError where a type does not fit."""
    made: T = msgspec.convert(value, kind, dec_hook=decode_hook)
    return made


def clone(obj: T) -> T:
    """A deep copy; a round trip through JSON is the fastest way that Python knows."""
    if isinstance(obj, (dict, list)):
        copied: T = orjson.loads(orjson.dumps(obj))
        return copied
    return decoder_of(type(obj)).decode(encode(obj))


def to_dict(obj: Any) -> dict[str, Any]:
    """The object as its JSON would parse; a copy, also of a dict."""
    result: dict[str, Any] = orjson.loads(encode(obj))
    return result


def from_dict(value: dict[str, Any], kind: type[T]) -> T:
    """A struct from its dict form, nulls stripped; a 400 StatusError where a type does not fit."""
    if kind is dict:
        return value  # type: ignore[return-value]
    shape = shape_of(kind)
    cleaned = strict.without_nulls(value, shape)
    try:
        return convert(cleaned, kind)
    except msgspec.ValidationError as error:
        raise bad_request(strict.type_error(value, shape) or str(error)) from error


def at_level(obj: T, level: str) -> T:
    """The object without the fields that came after an API level; itself at the newest."""
    if level == API_LEVEL or not isinstance(obj, msgspec.Struct):
        return obj
    shape, data = shape_of(type(obj), level), encode(obj)
    parsed = rawextension.with_text(orjson.loads(data), shape, data)
    return msgspec.convert(strict.without_nulls(parsed, shape), type(obj))


def decode(
    data: bytes, resource: Resource[Any], *, strictness: str = "Ignore", content_type: str = JSON, level: str = API_LEVEL
) -> Decoded:
    """The object of `resource` in a request's body. `strictness` is fieldValidation: Ignore, Warn or Strict; `level` is that of the
    API, whose later fields are unknown."""
    gvk = (resource.group, resource.version, resource.kind)
    return _Decoding(data, resource.type, gvk, strictness, level).run(content_type)


def decode_as(data: bytes, kind: type[Any], *, strictness: str = "Ignore", content_type: str = JSON, level: str = API_LEVEL) -> Decoded:
    """The same for a struct class: DeleteOptions, Binding, Scale. apiVersion and kind are checked where the class has a GVK."""
    return _Decoding(data, kind, getattr(kind, "GVK", None), strictness, level).run(content_type)


NO_KIND = "couldn't get version/kind; json parse error: "


@dataclass(slots=True)
class _Decoding:
    """One body on its way to an object."""

    data: bytes
    kind: type[Any]
    gvk: tuple[str, str, str] | None
    strictness: str
    level: str
    warnings: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    def run(self, content_type: str) -> Decoded:
        media = content_type.partition(";")[0].strip().lower()
        if media not in ("", JSON) and not is_yaml(content_type):
            raise unsupported_media_type(f"the body of the request was in an unknown format - accepted media types include: {JSON}, {YAML}")
        if issubclass(self.kind, Unstructured):
            obj: Any = self._custom(content_type)
        else:
            fast = self._fast() if media in ("", JSON) else None
            obj = self._slow(content_type) if fast is None else fast
        if MANAGED_FIELDS in self.data and self.gvk:
            self._mark_cleared(obj, content_type)
        return Decoded(obj, self.warnings)

    def _mark_cleared(self, obj: Any, content_type: str) -> None:
        """An empty list of managedFields is a wish to drop the record, which a struct cannot tell from none: one empty entry says it."""
        said = (parse(self.data, content_type) or {}).get("metadata")
        if isinstance(said, dict) and said.get("managedFields") == [] and getattr(obj, "metadata", None) is not None:
            obj.metadata.managedFields = [ManagedFieldsEntry()]

    def _fast(self) -> Any:
        """The object, or None when the bytes need a closer look."""
        if issubclass(self.kind, dict):
            return None
        data = rawextension.compact_document(self.data, shape_of(self.kind, self.level))
        data, dropped = strict.without_null_times(data) if b"null" in data else (data, 0)
        try:
            obj = decoder_of(self.kind).decode(data)
            parsed = orjson.loads(self.data)
            nulls = strict.quick_check(parsed, shape_of(self.kind, self.level))
        except (msgspec.MsgspecError, ValueError, strict.NeedsFullCheck):
            return None
        if nulls != dropped:
            return None
        if (dropped or self.strictness in ("Warn", "Strict")) and not strict.surely_unique(self.data, parsed):
            return None
        check_kind(self.gvk, getattr(obj, "apiVersion", ""), getattr(obj, "kind", ""))
        return set_type_meta(obj) if self.gvk else obj

    def _slow(self, content_type: str) -> Any:
        parsed = self._parsed(content_type)
        shape = OPEN if self.kind is dict else shape_of(self.kind, self.level)
        if text := strict.type_error(parsed, shape):
            raise self._cannot_handle(text)
        if self.strictness in ("Warn", "Strict"):
            self._judge(parsed, content_type)
        if not is_yaml(content_type):
            parsed = rawextension.with_text(parsed, shape, self.data)
        return parsed if self.kind is dict else self._convert(strict.without_nulls(parsed, shape))

    def _custom(self, content_type: str) -> Unstructured:
        """An object without a struct: its schema says what is unknown of it."""
        parsed = self._document(content_type)
        if not isinstance(parsed, dict) or not parsed.get("kind"):
            text = encode(parsed).decode() if is_yaml(content_type) else self.data.decode(errors="replace")
            raise self._unrecognized(f"Object 'Kind' is missing in '{text}'")
        self._check_custom(parsed)
        problems: list[str] = []
        if self.strictness in ("Warn", "Strict") and not is_yaml(content_type) and not strict.surely_unique(self.data, parsed):
            problems = strict.unknown_and_duplicate_fields(self.data, OPEN)
        try:
            made, unknown = coercing.decode_coerced(parsed, self.kind, b"." if is_yaml(content_type) else self.data)
        except ValueError as problem:
            raise self._cannot_handle(str(problem)) from problem
        if self.strictness in ("Warn", "Strict"):
            self._report([*problems, *(f'unknown field "{path}"' for path in unknown)])
        return made

    def _check_custom(self, parsed: dict[str, Any]) -> None:
        """A StatusError in the words that upstream has for other versions and kinds than a custom one."""
        assert self.gvk is not None
        group, version, _ = self.gvk
        said, wanted = parsed.get("apiVersion") or "", f"{group}/{version}"
        if said.count("/") > 1:
            raise self._unrecognized(f"unexpected GroupVersion string: {said}")
        if said != wanted:
            raise bad_request(f"the API version in the data ({said}) does not match the expected API version ({wanted})")
        coercing.check_type_meta(parsed, self.kind)

    def _parsed(self, content_type: str) -> dict[str, Any]:
        """The document, of the kind that is expected."""
        parsed: dict[str, Any] = self._document(content_type) or {}
        check_kind(self.gvk, parsed.get("apiVersion") or "", parsed.get("kind") or "")
        return parsed

    def _document(self, content_type: str) -> Any:
        """A map of whatever kind, or null."""
        try:
            return document(self.data, content_type, self.repeated)
        except ValueError as error:
            raise self._unrecognized(str(error)) from error

    def _convert(self, cleaned: Any) -> Any:
        try:
            obj = convert(cleaned, self.kind)
        except msgspec.ValidationError as error:
            raise self._cannot_handle(str(error)) from error
        return set_type_meta(obj) if self.gvk else obj

    def _judge(self, parsed: Any, content_type: str) -> None:
        """Unknown and duplicate fields: an error, or warnings."""
        shape = shape_of(self.kind, self.level)
        if is_yaml(content_type):
            problems = [f'unknown field "{path}"' for path in strict.unknown_fields(parsed, shape)]
        else:
            problems = strict.unknown_and_duplicate_fields(self.data, shape)
        self._report(problems)

    def _report(self, problems: list[str]) -> None:
        """Warn of fields, and of keys that YAML repeats, or refuse them."""
        if self.strictness != "Strict":
            self.warnings.extend([*self.repeated, *problems])
            return
        if self.repeated:
            from pilothouse.machinery import yaml

            problems.insert(0, yaml.unmarshal_errors(self.repeated))
        if problems:
            raise self._cannot_handle(f"strict decoding error: {', '.join(problems)}")

    def _cannot_handle(self, text: str) -> StatusError:
        if self.gvk is None:
            return bad_request(text)
        return bad_request(f'{self.gvk[2]} in version "{self.gvk[1]}" cannot be handled as a {self.gvk[2]}: {text}')

    def _unrecognized(self, text: str) -> StatusError:
        name = self.gvk[2] if self.gvk else self.kind.__name__
        return bad_request(f"the object provided is unrecognized (must be of type {name}): {text} ({summary(self.data)})")


TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


def document(data: bytes, content_type: str, repeated: list[str] | None = None) -> dict[str, Any] | None:
    """The body as a map with apiVersion and kind, or None for null. Raises ValueError with upstream's message."""
    try:
        parsed = parse(data, content_type, repeated)
    except ValueError as error:
        if is_yaml(content_type):
            raise ValueError(str(error).removeprefix(YAML_ERROR)) from error
        raise ValueError(f"{NO_KIND}{error}") from error
    if parsed is None:
        return None
    if not isinstance(parsed, dict):
        raise ValueError(f"{NO_KIND}json: cannot unmarshal {strict.described(parsed)} into Go value of type {TYPE_META}")
    for name in ("apiVersion", "kind"):
        if not isinstance(parsed.get(name) or "", str):
            text = f"json: cannot unmarshal {strict.described(parsed[name])} into Go struct field .{name} of type string"
            raise ValueError(f"{NO_KIND}{text}")
    return parsed


UNVERSIONED = frozenset(("Status", "APIVersions", "APIGroupList", "APIGroup", "APIResourceList"))
"""Kinds of meta/v1 that upstream knows in whatever version they are said to be of."""
EVERYWHERE = frozenset(("WatchEvent", "DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "ListOptions", "GetOptions"))
"""Kinds of meta/v1 that are of every group's versions."""


def check_kind(gvk: tuple[str, str, str] | None, api_version: Any, kind: Any) -> None:
    """A 400 StatusError when a body says another apiVersion or kind than is expected; a body may leave out both."""
    if gvk is None or (not api_version and not kind):
        return
    group, version, expected = gvk
    wanted = f"{group}/{version}" if group else version
    if kind in ("", None, expected) and api_version in ("", None, wanted):
        return
    try:
        said_group, said_version, said_kind = completed(gvk, api_version, kind)
    except ValueError as problem:
        raise bad_request(f"the object provided is unrecognized (must be of type {expected}): {problem}") from problem
    if said_kind != expected:
        package = "v1" if said_kind in UNVERSIONED or said_kind in EVERYWHERE else said_version
        text = f"converting ({package}.{said_kind}) to ({group.partition('.')[0] or 'core'}.{expected})"
        raise bad_request(f'{said_kind} in version "{said_version}" cannot be handled as a {expected}: {text}: unknown conversion')
    if (said_group, said_version) != (group, version):
        said = f"{said_group}/{said_version}" if said_group else said_version
        raise bad_request(f"the API version in the data ({said}) does not match the expected API version ({wanted})")


def completed(gvk: tuple[str, str, str], api_version: Any, kind: Any) -> tuple[str, str, str]:
    """Group, version and kind that a body says; what it leaves out is as expected. ValueError for an apiVersion of several slashes."""
    text = str(api_version or "")
    if text.count("/") > 1:
        raise ValueError(f"unexpected GroupVersion string: {text}")
    group, _, version = text.rpartition("/")
    if not version and group in ("", gvk[0]):
        group, version = gvk[:2]
    return group, version, str(kind or gvk[2])


def set_type_meta(obj: Any) -> Any:
    """The object with the apiVersion and kind of its class, whatever a client wrote there: bytes are built on these two."""
    group, version, kind = type(obj).GVK
    if obj.kind != kind:
        obj.kind = kind
    api_version = f"{group}/{version}" if group else version
    if obj.apiVersion != api_version:
        obj.apiVersion = api_version
    return obj


def summary(data: bytes) -> str:
    """The first bytes of a body as upstream shows them in a complaint: JSON as text, anything else in hex."""
    if not data:
        return "<empty>"
    head = data[:SUMMARY_BYTES]
    shown = head.decode(errors="replace") if data[:1] == b"{" else head.hex()
    return f"{shown} ..." if len(data) > SUMMARY_BYTES else shown
