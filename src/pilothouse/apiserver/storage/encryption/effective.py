"""The encryption that counts now: transformers made of a configuration, and a file's changes taken while the server runs.

- `start` before the store is read, `run` beside it. Without a file everything is as it stands.
- A changed file that is bad, or whose plugins do not answer, changes nothing: it is logged, counted, and tried again.

Upstream: encryptionconfig/config.go (DynamicTransformers) and encryptionconfig/controller.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.apiserver.storage.encryption import configuration as config
from pilothouse.apiserver.storage.encryption.metrics import EncryptionMetrics
from pilothouse.apiserver.storage.encryption.transformers import (
    NO_PREFIX,
    GroupResource,
    Prefixed,
    PrefixTransformers,
    join_problems,
    transformer_for,
)
from pilothouse.apiserver.storage.encryption.transforming import Identity, Transformer
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.restarts import BackOff
from pilothouse.kit.secure_random import SecureRandom
from pilothouse.machinery.configfile import BadConfiguration
from pilothouse.machinery.digests import digest_of

if TYPE_CHECKING:
    from pilothouse.apiserver.storage.encryption.kms import KmsProvider

log = logging.getLogger(__name__)

POLL_SECONDS = 60.0
LEAST_HEALTH_SECONDS = 10.0
"""How long new plugins are given to answer, or twice their time limits."""
HEALTH_PAUSE_SECONDS = 0.1
NO_KEY = "no matching key was found for the provided {} transformer"


@dataclass(slots=True)
class Encryption:
    """Of one API server; made in a running loop. `file` is read again when it `reloads`."""

    clock: Clock
    entropy: Entropy
    file: Path | None = None
    reloads: bool = False
    poll_seconds: float = POLL_SECONDS
    metrics: EncryptionMetrics = field(default_factory=EncryptionMetrics)
    changed: list[Callable[[], None]] = field(default_factory=list)
    """Called when another configuration counts."""
    _random: SecureRandom = field(default_factory=SecureRandom)
    _transformers: Mapping[GroupResource, Transformer] = field(default_factory=dict)
    _providers: Sequence[KmsProvider] = ()
    _hash: str = ""
    _retired: list[tuple[float, Sequence[KmsProvider]]] = field(default_factory=list)

    async def start(self) -> None:
        """Read the file and ask its plugins. BadConfiguration; a plugin that does not answer yet is waited for beside."""
        if self.file is not None:
            self.use(await asyncio.to_thread(read, self.file))
        for provider in self._providers:
            if problem := await provider.probe():
                log.warning("a KMS plugin failed its health check: %s", problem)

    def use(self, data: bytes) -> None:
        """Take what a file says. BadConfiguration."""
        self._adopt(data, *self._made(config.parse(data, str(self.file), reloads=self.reloads)))

    def _adopt(self, data: bytes, transformers: Mapping[GroupResource, Transformer], providers: Sequence[KmsProvider]) -> None:
        self._transformers, self._providers = transformers, providers
        self._hash = self.metrics.configuration_hash = digest_of(data)

    def transformer_of(self, resource: GroupResource) -> Transformer | None:
        """What values of a resource are kept by; None for those that are kept as they are."""
        return transformer_for(self._transformers, resource)

    @property
    def has_plugins(self) -> bool:
        """Whether there is anything to be looked after by `/healthz/kms-providers`."""
        return bool(self._providers) or (self.reloads and self.file is not None)

    async def check(self) -> str:
        """What is wrong with the plugins, "" when nothing is."""
        return await self._problem(self._providers)

    async def _problem(self, providers: Sequence[KmsProvider]) -> str:
        problems = [f"kms-provider-{index}: {text}" for index, provider in enumerate(providers) if (text := await provider.check())]
        return join_problems(problems) if problems else ""

    async def run(self) -> None:
        """Look after plugins, and after the file where it is read again, until cancelled."""
        while True:
            looked_after = self._providers
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(provider.run(), name=f"KMS plugin {provider.name}") for provider in looked_after]
                if self.file is not None and self.reloads:
                    await self._await_change()
                else:
                    await asyncio.Event().wait()
                for task in tasks:
                    task.cancel()

    async def _await_change(self) -> None:
        """Return when another configuration counts."""
        back_off = BackOff()
        while True:
            try:
                if await self.reload():
                    return
                await self.clock.sleep(self.poll_seconds)
            except (BadConfiguration, OSError) as error:
                self.metrics.reloaded("failure", self.clock.now().timestamp())
                log.error("error processing encryption config file %s: %s", self.file, error)
                await self.clock.sleep(min(back_off.next_delay(0), POLL_SECONDS))

    async def reload(self) -> bool:
        """Take the file when it has changed; whether it had. BadConfiguration or OSError when it cannot be taken: the old one stays."""
        assert self.file is not None
        data = await asyncio.to_thread(read, self.file)
        if digest_of(data) == self._hash:
            return False
        transformers, providers = self._made(config.parse(data, str(self.file), reloads=True))
        try:
            await self._await_health(providers)
        except BaseException:
            await close(providers)
            raise
        old = self._providers
        self._adopt(data, transformers, providers)
        self.metrics.reloaded("success", self.clock.now().timestamp())
        for tell in self.changed:
            tell()
        log.info("the encryption configuration was read again", extra={"file": str(self.file), "hash": self._hash})
        await self._retire(old)
        return True

    async def _await_health(self, providers: Sequence[KmsProvider]) -> None:
        until = self.clock.monotonic() + LEAST_HEALTH_SECONDS
        while problem := await self._problem(providers):
            if self.clock.monotonic() >= until:
                raise BadConfiguration(f"health check for new transformers failed, polling error context deadline exceeded: {problem}")
            await self.clock.sleep(HEALTH_PAUSE_SECONDS)

    async def _retire(self, providers: Sequence[KmsProvider]) -> None:
        """Connections of plugins that are not used any more end at the next change: calls may be under way."""
        now = self.clock.monotonic()
        for since, each in self._retired:
            if now - since > POLL_SECONDS:
                await close(each)
        self._retired = [(since, each) for since, each in self._retired if now - since <= POLL_SECONDS] + [(now, providers)]

    async def close(self) -> None:
        """End the connections to plugins."""
        for _, providers in [*self._retired, (0.0, self._providers)]:
            await close(providers)

    def _made(self, configuration: config.EncryptionConfiguration) -> tuple[dict[GroupResource, Transformer], list[KmsProvider]]:
        """Transformers by resource, and the plugins among them."""
        prefixed: dict[GroupResource, list[Prefixed]] = {}
        plugins: list[KmsProvider] = []
        for each in configuration.resources:
            providers = [self._provider(provider, plugins) for provider in each.providers]
            for name in each.resources:
                prefixed.setdefault(GroupResource.parse(name), []).extend(providers)
        return {resource: self._by_prefix(providers, NO_PREFIX) for resource, providers in prefixed.items()}, plugins

    def _by_prefix(self, providers: Sequence[Prefixed], unmatched: str) -> PrefixTransformers:
        return PrefixTransformers(providers, unmatched, self.metrics, self.clock.monotonic)

    def _provider(self, provider: config.Provider, plugins: list[KmsProvider]) -> Prefixed:
        from pilothouse.apiserver.storage.encryption.ciphers import Cbc, Gcm, Secretbox

        if provider.kms is not None:
            from pilothouse.apiserver.storage.encryption.kms import KmsProvider
            from pilothouse.apiserver.storage.encryption.kms_client import KmsClient

            plugin = provider.kms
            client = KmsClient(plugin.name, plugin.endpoint, plugin.seconds, self.clock, self.metrics)
            plugins.append(KmsProvider(plugin.name, client, self.clock, self.entropy, self._random, self.metrics))
            return Prefixed.of(f"k8s:enc:kms:v2:{plugin.name}:", plugins[-1])
        local = (
            ("aesgcm", "AES", provider.aesgcm, Gcm),
            ("aescbc", "AES", provider.aescbc, Cbc),
            ("secretbox", "Secretbox", provider.secretbox, Secretbox),
        )
        for name, family, keys, cipher in local:
            if keys is not None:
                made = [Prefixed.of(f"{key.name}:", cipher(base64.b64decode(key.secret), self._random)) for key in keys.keys]
                return Prefixed.of(f"k8s:enc:{name}:v1:", self._by_prefix(made, NO_KEY.format(family)))
        return Prefixed.of("", Identity())


async def close(providers: Sequence[KmsProvider]) -> None:
    """End the connections of plugins."""
    for provider in providers:
        await provider.client.close()


def read(file: Path) -> bytes:
    """The bytes of a configuration. BadConfiguration when it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        text = f'error reading encryption provider configuration file "{file}": open {file}: {(error.strerror or "").lower()}'
        raise BadConfiguration(f"error while parsing file: error while loading file: {text}") from error
