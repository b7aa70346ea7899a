"""`apiserver.config.k8s.io/v1` EncryptionConfiguration: its fields, defaults and validation, in upstream's words. Pure.

Upstream: apis/apiserver/v1/types_encryption.go and validation/validation_encryption.go. Unlike upstream, no message shows a key.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from pilothouse.apiserver.storage.encryption.transformers import EVERYTHING, GroupResource
from pilothouse.machinery import configfile, time
from pilothouse.machinery.configfile import BadConfiguration
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.struct import Object

AES_KEY_BYTES, SECRETBOX_KEY_BYTES = (16, 24, 32), (32,)
PROVIDERS = "KMS, AESGCM, AESCBC, Secretbox, Identity"
NO_PROVIDER = f"provider does not contain any of the expected providers: {PROVIDERS}"
SEVERAL = "more than one provider specified in a single element, should split into different list elements"
DUPLICATE = "the same resource cannot be specified multiple times"
OVERLAP = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked"
CAPITALS = "resource name should not contain capital letters"
STAR = "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
NO_API = "resources which do not have REST API/s cannot be encrypted"
EVENTS = "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file"
EXTENSIONS = "'extensions' group has been removed and cannot be used for encryption"
ACROSS = "encrypting the same resource across groups is not supported"
MALFORMED = re.compile("%(?![0-9a-fA-F]{2}).{0,2}")
"""A percent sign that begins no escape, and what follows."""
WITHOUT_API = ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations")
KMS_V1 = (
    "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.  "
    "Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature."
)


class Key(Object):
    """A key and its name; `secret` is base64."""

    name: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        return f"Key(name={self.name!r}, secret='REDACTED')"


class Keys(Object):
    """Of a local provider: the first key writes, all read."""

    keys: list[Key] = []


class Plugin(Object):
    """Of `kms`: where the plugin listens, and what it is called."""

    apiVersion: str = ""
    name: str = ""
    cachesize: int | None = None
    endpoint: str = ""
    timeout: str | None = None

    @property
    def version(self) -> str:
        """The version of the plugin's API; v1 where none is named."""
        return self.apiVersion or "v1"

    @property
    def seconds(self) -> float:
        """How long a call may take. ValueError for what is no duration."""
        return 3.0 if self.timeout is None else time.duration(self.timeout)


class Provider(Object):
    """One provider: just one of the fields is set."""

    aesgcm: Keys | None = None
    aescbc: Keys | None = None
    secretbox: Keys | None = None
    identity: dict[str, Any] | None = None
    kms: Plugin | None = None

    def shown(self) -> Shown:
        """As upstream's messages show it, but for the keys."""

        def keys(provider: Keys | None) -> Any:
            return None if provider is None else {"Keys": [{"Name": key.name, "Secret": "REDACTED"} for key in provider.keys]}

        kms = None if self.kms is None else {"Name": self.kms.name}
        return Shown(keys(self.aesgcm), keys(self.aescbc), keys(self.secretbox), self.identity, kms)


class Shown(msgspec.Struct):
    """A provider in a message, in the order of Go's fields."""

    AESGCM: Any
    AESCBC: Any
    Secretbox: Any
    Identity: Any
    KMS: Any


class ResourceConfiguration(Object):
    """Resources and their providers: the first writes, all read."""

    resources: list[str] = []
    providers: list[Provider] = []


class EncryptionConfiguration(Object):
    """A whole file."""

    GVK: ClassVar[tuple[str, str, str]] = ("apiserver.config.k8s.io", "v1", "EncryptionConfiguration")
    kind: str = ""
    apiVersion: str = ""
    resources: list[ResourceConfiguration] = []


def parse(data: bytes, file: str, *, reloads: bool) -> EncryptionConfiguration:
    """The configuration in a file's bytes. BadConfiguration in upstream's words; `reloads` holds names of plugins to more."""
    if not data:
        raise BadConfiguration(
            f'error while parsing file: error while loading file: encryption provider configuration file "{file}" is empty'
        )
    try:
        configuration = configfile.decode(data, EncryptionConfiguration)
        for plugin in _plugins(configuration):
            _ = plugin.seconds
    except ValueError as error:
        text = f'error decoding encryption provider configuration file "{file}": {error}'
        raise BadConfiguration(f"error while parsing file: {text}") from error
    problems = Problems("resources")
    validate(configuration, problems, reloads=reloads)
    if problems:
        raise BadConfiguration(f"error while parsing file: {configfile.joined(problems.found)}")
    if problem := _unusable(configuration):
        raise BadConfiguration(f"error while building transformers: {problem}")
    return configuration


def _plugins(configuration: EncryptionConfiguration) -> list[Plugin]:
    return [provider.kms for each in configuration.resources for provider in each.providers if provider.kms is not None]


def _unusable(configuration: EncryptionConfiguration) -> str:
    """What is wrong beyond single fields: a provider that is switched off, or a rule that an earlier one hides."""
    seen: set[GroupResource] = set()
    for each in configuration.resources:
        if any(provider.kms is not None and provider.kms.version == "v1" for provider in each.providers):
            return KMS_V1
        for resource in map(GroupResource.parse, each.resources):
            for earlier in (GroupResource("*", resource.group), EVERYTHING):
                if earlier in seen:
                    return f'resource "{resource}" is masked by earlier rule "{earlier}"'
            seen.add(resource)
    return ""


def validate(configuration: EncryptionConfiguration, problems: Problems, *, reloads: bool) -> None:
    """Report all that is wrong, in upstream's order."""
    if not configuration.resources:
        problems.required("at least one resources is required")
    names: set[str] = set()
    for index, each in enumerate(configuration.resources):
        resources, providers = problems.at(index, "resources"), problems.at(index, "providers")
        if not each.resources:
            resources.required(f"at least one {resources.path} is required")
        _validate_overlap(each.resources, resources)
        for place, name in enumerate(each.resources):
            if problem := name_problem(name):
                resources.at(place).invalid(name, problem)
        if not each.providers:
            providers.required(f"at least one {providers.path} is required")
        for place, provider in enumerate(each.providers):
            _validate_provider(provider, providers.at(place), names, reloads=reloads)


def _validate_overlap(names: Sequence[str], problems: Problems) -> None:
    parsed = list(map(GroupResource.parse, names))
    pairs = [(a, b) for i, a in enumerate(parsed) for j, b in enumerate(parsed) if i != j]
    duplicates = [a == b for a, b in pairs]
    if any(duplicates):
        problems.invalid(list(names), DUPLICATE)
    first = duplicates.index(True) if any(duplicates) else -1
    others = [pair for place, pair in enumerate(pairs) if place != first]  # the first pair of equal ones is only told as such
    if any(a == EVERYTHING or (a.group == b.group and "*" in (a.resource, b.resource)) for a, b in others):
        problems.invalid(list(names), OVERLAP)


def name_problem(name: str) -> str:
    """What is wrong with the name of a resource; "" when nothing is."""
    resource, group = GroupResource.parse(name)
    checks = (
        (name.lower() != name, CAPITALS),
        (name == "*", STAR),
        (name in WITHOUT_API, NO_API),
        (group == "events.k8s.io", EVENTS),
        (group == "extensions", EXTENSIONS),
        (group == "*" and resource != "*", ACROSS),
    )
    return next((problem for is_wrong, problem in checks if is_wrong), "")


def _validate_provider(provider: Provider, problems: Problems, names: set[str], *, reloads: bool) -> None:
    fields = (provider.kms, provider.aesgcm, provider.aescbc, provider.secretbox, provider.identity)
    count = sum(field is not None for field in fields)
    if count != 1:
        problems.invalid(provider.shown(), SEVERAL if count else NO_PROVIDER)
    if provider.kms is not None:
        _validate_plugin(provider.kms, problems.at("kms"), names, reloads=reloads)
        names.add(provider.kms.name)
    elif provider.aesgcm is not None:
        _validate_keys(provider.aesgcm, problems.at("aesgcm", "keys"), AES_KEY_BYTES)
    elif provider.aescbc is not None:
        _validate_keys(provider.aescbc, problems.at("aescbc", "keys"), AES_KEY_BYTES)
    elif provider.secretbox is not None:
        _validate_keys(provider.secretbox, problems.at("secretbox", "keys"), SECRETBOX_KEY_BYTES)


def _validate_keys(provider: Keys, problems: Problems, lengths: Sequence[int]) -> None:
    if not provider.keys:
        problems.required("at least one keys is required")
    for index, key in enumerate(provider.keys):
        if not key.name:
            problems.at(index, "name").required("name is a mandatory field for a key")
        secret = problems.at(index, "secret")
        if not key.secret:
            secret.required("secret is a mandatory field for a key")
            continue
        try:
            length = len(base64.b64decode(key.secret.replace("\n", "").replace("\r", ""), validate=True))
        except (binascii.Error, ValueError):
            secret.invalid("REDACTED", "secrets must be base64 encoded")
            continue
        if length not in lengths:
            expected = f"[{' '.join(map(str, lengths))}]"
            secret.invalid("REDACTED", f"secret is not of the expected length, got {length}, expected one of {expected}")


def _validate_plugin(plugin: Plugin, problems: Problems, names: set[str], *, reloads: bool) -> None:
    name = problems.at("name")
    if not plugin.name:
        name.required("name is a mandatory field for a provider")
    if plugin.version != "v1" and ":" in plugin.name:
        name.invalid(plugin.name, f"invalid KMS provider name {plugin.name}, must not contain ':'")
    if (reloads or plugin.version != "v1") and plugin.name in names:
        name.invalid(plugin.name, f"duplicate KMS provider name {plugin.name}, names must be unique")
    if plugin.seconds <= 0:
        problems.at("timeout").invalid(time.duration_text(round(plugin.seconds * 1e9)), "timeout should be a positive value")
    endpoint = problems.at("endpoint")
    if not plugin.endpoint:
        endpoint.invalid("", "endpoint is a mandatory field for a kms")
    elif escape := MALFORMED.search(plugin.endpoint):
        parsed = f"parse {go_quoted(plugin.endpoint)}: invalid URL escape {go_quoted(escape[0])}"
        endpoint.invalid(plugin.endpoint, f"invalid endpoint for kms provider, error: {parsed}")
    elif (scheme := urlsplit(plugin.endpoint).scheme) != "unix":
        endpoint.invalid(plugin.endpoint, f'unsupported scheme "{scheme}" for KMS provider, only unix is supported')
    size = problems.at("cachesize")
    if plugin.version != "v1" and plugin.cachesize is not None:
        size.invalid(plugin.cachesize, "cachesize is not supported in v2")
    if plugin.version == "v1" and plugin.cachesize == 0:
        size.invalid(0, "cachesize should be a positive value, or negative to disable")
    if plugin.version not in ("v1", "v2"):
        text = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported"
        problems.at("apiVersion").invalid(plugin.version, text)
