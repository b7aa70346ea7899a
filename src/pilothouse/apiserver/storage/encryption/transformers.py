"""Which provider a value is kept by: chosen by the prefix of what is stored, and by the resource of the key.

Upstream: storage/value/transformer.go and encryptionconfig/config.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pilothouse.apiserver.storage.encryption.metrics import FROM_STORAGE, TO_STORAGE, EncryptionMetrics
from pilothouse.apiserver.storage.encryption.transforming import Context, Identity, KeyMissing, Opened, TransformationFailed, Transformer

NO_PREFIX = "no matching prefix found"
FAILED = "unknown-non-grpc"
"""The status in metrics of what failed without a plugin."""
UNENCRYPTED = Identity()
"""Of resources that the configuration does not name: what is encrypted there cannot be read."""


class Prefixed(NamedTuple):
    """A provider and what its values begin with; nothing for `identity`."""

    prefix: bytes
    transformer: Transformer
    label: str

    @classmethod
    def of(cls, prefix: str, transformer: Transformer) -> Prefixed:
        """A provider under its prefix."""
        return cls(prefix.encode(), transformer, prefix or "identity")


def join_problems(problems: Sequence[str]) -> str:
    """Several errors as Go's aggregate prints them, each once."""
    unique = list(dict.fromkeys(problems))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"


class PrefixTransformers:
    """Providers in their order: the first writes, whichever fits reads. What another than the first has written is stale."""

    def __init__(self, providers: Sequence[Prefixed], unmatched: str, metrics: EncryptionMetrics, timer: Callable[[], float]) -> None:
        self._providers = tuple(providers)
        self._unmatched = unmatched
        self._metrics = metrics
        self._timer = timer

    def seal(self, value: bytes, context: Context) -> bytes:
        """What the first provider makes of a value, behind its prefix."""
        first, since = self._providers[0], self._timer()
        label = first.prefix.decode()
        try:
            sealed = first.transformer.seal(value, context)
        except TransformationFailed:
            self._metrics.transformed(context.resource, TO_STORAGE, label, 0.0, FAILED)
            raise
        self._metrics.transformed(context.resource, TO_STORAGE, label, self._timer() - since)
        return first.prefix + sealed if first.prefix else sealed

    def open(self, value: bytes, context: Context) -> Opened:
        """The value by the first provider that can read it. TransformationFailed with what each has said, KeyMissing."""
        since, problems = self._timer(), []
        for index, (prefix, transformer, label) in enumerate(self._providers):
            if not value.startswith(prefix):
                continue
            try:
                opened = transformer.open(value[len(prefix) :] if prefix else value, context)
            except KeyMissing:
                raise
            except TransformationFailed as failed:
                if prefix:  # identity only says that another must read it
                    self._metrics.transformed(context.resource, FROM_STORAGE, label, 0.0, FAILED)
                    problems.append(str(failed))
                continue
            self._metrics.transformed(context.resource, FROM_STORAGE, label, self._timer() - since)
            return Opened(opened.value, opened.stale or index > 0)
        if problems:
            raise TransformationFailed(join_problems(problems))
        self._metrics.transformed(context.resource, FROM_STORAGE, "unknown", 0.0, FAILED)
        raise TransformationFailed(self._unmatched)


class GroupResource(NamedTuple):
    """A resource of a group, as a configuration names it; `*` stands for all."""

    resource: str
    group: str

    def __str__(self) -> str:
        if self.resource == "*" and not self.group:
            return "*."
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @classmethod
    def parse(cls, text: str) -> GroupResource:
        """`secrets`, `deployments.apps`, `*.`, `*.apps`, `*.*`."""
        resource, _, group = text.partition(".")
        return cls(resource, group)


EVERYTHING = GroupResource("*", "*")


def transformer_for(transformers: Mapping[GroupResource, Transformer], resource: GroupResource) -> Transformer | None:
    """The transformer of a resource: its own, else that of its group, else that of all; None when the configuration names none."""
    return transformers.get(resource) or transformers.get(GroupResource("*", resource.group)) or transformers.get(EVERYTHING)
