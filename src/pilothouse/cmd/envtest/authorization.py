"""Authorization as the flags of kube-apiserver say: --authorization-mode with --authorization-webhook-*, or --authorization-config.

BadFlag, or ValueError with the reason, for what cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pilothouse.apiserver.auth.authorizer import ModeAuthorizer
from pilothouse.apiserver.auth.configuration.authorization import VERSIONS, Authorization, Webhook, authorization_in
from pilothouse.apiserver.auth.configuration.reloading import Reloads, WatchedFile
from pilothouse.apiserver.auth.modes import AuthorizerChain
from pilothouse.apiserver.auth.webhookauthorizer import Policy, WebhookAuthorizer, WebhookMetrics
from pilothouse.apiserver.auth.webhookcalls import Asker
from pilothouse.apiserver.webhooks.client import WebhookClient
from pilothouse.apiserver.webhooks.kubeconfig import ConfiguredWebhook, endpoint_in, no_service
from pilothouse.cmd.api import Api
from pilothouse.cmd.envtest.flags import BadFlag, Flags
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.digests import SERVER_ID
from pilothouse.machinery.quoting import go_quoted

MODES = ("AlwaysAllow", "AlwaysDeny", "RBAC", "Node", "Webhook")
ABAC = "ABAC"
WEBHOOK_FLAGS = "authorization-webhook-"
DEFAULT_WEBHOOK = "default"


def authorization_of(flags: Flags) -> Authorization:
    """Authorizers by the flags, in order."""
    path = flags.last("authorization-config")
    if not path:
        return by_modes(flags)
    if "authorization-mode" in flags.values or any(name.startswith(WEBHOOK_FLAGS) for name in flags.values):
        said = "--authorization-mode or --authorization-webhook-* flags are defined"
        raise BadFlag(f"--authorization-config can not be specified when {said}")
    return checked(authorization_in(Path(path).read_bytes()))


def checked(authorization: Authorization) -> Authorization:
    """The same; ValueError for a mode of upstream that is not there."""
    if ABAC in authorization.modes:
        raise ValueError("authorizer type ABAC: Pilothouse has no such mode")
    for _, authorizer in authorization.authorizers:
        if isinstance(authorizer, Webhook) and not authorizer.kubeconfig:
            raise ValueError("authorizer type Webhook: Pilothouse has no connection of type InClusterConfig")
    return authorization


def by_modes(flags: Flags) -> Authorization:
    """Authorizers of --authorization-mode. Raises BadFlag for an unknown or repeated mode."""
    modes = flags.all("authorization-mode") if "authorization-mode" in flags.values else ["AlwaysAllow"]
    if not modes:
        raise BadFlag("at least one authorization-mode must be passed")
    for mode in modes:
        if mode == ABAC:
            raise BadFlag(f"--authorization-mode: Pilothouse has no mode {mode}; use some of {','.join(MODES)}")
        if mode not in MODES:
            raise BadFlag(f'authorization-mode "{mode}" is not a valid mode')
    path = flags.last("authorization-webhook-config-file")
    if "Webhook" in modes and not path:
        raise BadFlag("authorization-mode Webhook's authorization config file not passed")
    if path and "Webhook" not in modes:
        raise BadFlag("cannot specify --authorization-webhook-config-file without mode Webhook")
    if len(set(modes)) < len(modes):
        raise BadFlag(f"authorization-mode [{' '.join(map(go_quoted, modes))}] has mode specified more than once")
    return Authorization(tuple((DEFAULT_WEBHOOK, webhook_by(flags)) if mode == "Webhook" else (mode.lower(), mode) for mode in modes))


def webhook_by(flags: Flags) -> Webhook:
    """The webhook of --authorization-webhook-*."""
    version = flags.last("authorization-webhook-version", "v1beta1")
    if version not in VERSIONS:
        raise BadFlag(f'unsupported webhook authorizer version "{version}", supported versions are "v1", "v1beta1"')
    authorized = flags.seconds("authorization-webhook-cache-authorized-ttl", "5m0s")
    unauthorized = flags.seconds("authorization-webhook-cache-unauthorized-ttl", "30s")
    policy = Policy(DEFAULT_WEBHOOK, version, (), authorized, unauthorized)
    return Webhook(policy, flags.last("authorization-webhook-config-file"), 30.0)


@dataclass(slots=True)
class Arrangement:
    """Makes the authorizers of an Authorization out of those that the server has, and webhooks."""

    chain: AuthorizerChain
    clock: Clock
    entropy: Entropy
    client: WebhookClient
    metrics: WebhookMetrics

    def arrange(self, authorization: Authorization) -> None:
        """Have it take effect. ValueError for a mode that was not there at the start, and for a webhook that nobody can ask."""
        self.chain.arrange([(name, self._made(authorizer)) for name, authorizer in authorization.authorizers])

    def _made(self, authorizer: str | Webhook) -> ModeAuthorizer:
        if isinstance(authorizer, str):
            if authorizer.lower() not in self.chain.modes:
                raise ValueError(f"authorizer type {authorizer} is not allowed if it was not enabled at initial server startup")
            return self.chain.modes[authorizer.lower()]
        webhook = ConfiguredWebhook(self.client, endpoint_in(Path(authorizer.kubeconfig)), authorizer.seconds)
        return WebhookAuthorizer(authorizer.policy, Asker(webhook.post, self.clock, self.entropy).ask, self.clock, self.metrics)

    async def apply(self, data: bytes) -> None:
        """Have a changed file take effect. ValueError for one that cannot be used."""
        self.arrange(checked(authorization_in(data)))


def arranged(api: Api, authorization: Authorization, flags: Flags, clock: Clock, entropy: Entropy) -> Api:
    """The API with these authorizers, which follow --authorization-config while it runs."""
    if not isinstance(api.authorizer, AuthorizerChain):
        return api
    metrics = WebhookMetrics()
    arrangement = Arrangement(api.authorizer, clock, entropy, WebhookClient(no_service, clock), metrics)
    arrangement.arrange(authorization)
    if not (path := flags.last("authorization-config")):
        return replace(api, collectors=(*api.collectors, metrics))
    reloads = Reloads("authorization", SERVER_ID)
    watched = WatchedFile(Path(path), Path(path).read_bytes(), arrangement.apply, clock, reloads)
    return replace(api, components=(*api.components, watched), collectors=(*api.collectors, metrics, reloads))
