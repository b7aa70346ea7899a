"""Authentication as the flags of kube-apiserver say. BadFlag, or ValueError with the file and the reason, for what cannot be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pilothouse.apiserver.auth.authenticator import AnonymousRequests
from pilothouse.apiserver.auth.configuration.apiserver_v1 import AnonymousAuthConfig, AuthenticationConfiguration
from pilothouse.apiserver.auth.configuration.reloading import Reloads, WatchedFile
from pilothouse.apiserver.auth.credentials import TokenAuthenticator
from pilothouse.apiserver.auth.oidc.flags import OIDCFlags
from pilothouse.apiserver.auth.oidc.issuers import Issuers, parsed
from pilothouse.apiserver.auth.oidc.keys import ALGORITHMS
from pilothouse.apiserver.auth.serviceaccounts import ISSUER
from pilothouse.apiserver.auth.tokenfile import TokenFile
from pilothouse.apiserver.auth.webhookcalls import Asker
from pilothouse.apiserver.auth.webhooktokens import VERSIONS, WebhookTokenAuthenticator
from pilothouse.apiserver.webhooks.client import WebhookClient
from pilothouse.apiserver.webhooks.fetching import Fetcher
from pilothouse.apiserver.webhooks.kubeconfig import ConfiguredWebhook, endpoint_in, no_service
from pilothouse.cmd.api import Authentication
from pilothouse.cmd.envtest.flags import BadFlag, Flags
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.component import Component
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import url
from pilothouse.machinery.digests import SERVER_ID

log = logging.getLogger(__name__)

OIDC = "oidc-"


def authentication_of(flags: Flags, clock: SystemClock, *, allows_all: bool) -> Authentication:
    """Authentication by the flags."""
    issuers = issuers_of(flags)
    first: list[TokenAuthenticator] = [TokenFile(path) for path in flags.values.get("token-auth-file", ())[-1:]]
    jwt, components, collectors = jwt_of(flags, issuers, clock)
    audiences = tuple(flags.all("api-audiences"))
    return Authentication(
        issuers=issuers,
        audiences=audiences,
        maximum_seconds=maximum_seconds_of(flags),
        extends=flags.switch("service-account-extend-token-expiration", True),
        keys_url=keys_url_of(flags),
        first=tuple(first),
        issuers_of_jwt=(jwt,),
        last=tuple(webhook_of(flags, audiences or issuers, clock)),
        bootstrap_tokens=flags.switch("enable-bootstrap-token-auth", False),
        anonymous=anonymous_of(flags, jwt.anonymous, allows_all=allows_all),
        components=tuple(components),
        collectors=tuple(collectors),
    )


def issuers_of(flags: Flags) -> tuple[str, ...]:
    """The issuers of ServiceAccounts' tokens; upstream's usual one where none is given."""
    issuers = flags.values.get("service-account-issuer", [ISSUER])
    for index, issuer in enumerate(issuers):
        if ":" in issuer:
            try:
                url.parse(issuer)
            except ValueError as error:
                raise BadFlag(f"service-account-issuer \"{issuer}\" contained a ':' but was not a valid URL: {error}") from error
        if not issuer:
            raise BadFlag("service-account-issuer should not be an empty string")
        if issuer in issuers[:index]:
            raise BadFlag(f'service-account-issuer "{issuer}" is already specified')
    return tuple(issuers)


def maximum_seconds_of(flags: Flags) -> int:
    """Maximum lifetime of ServiceAccount tokens; 0 for no limit."""
    seconds = flags.seconds("service-account-max-token-expiration", "0s")
    if seconds and not 3600 <= seconds <= 1 << 32:
        raise BadFlag("the service-account-max-token-expiration must be between 1 hour and 2^32 seconds")
    return int(seconds)


def keys_url_of(flags: Flags) -> str:
    """URL of the keys for ServiceAccount tokens, when it is not below the issuer."""
    text = flags.last("service-account-jwks-uri")
    if text:
        try:
            scheme = url.parse(text).scheme
        except ValueError as error:
            raise BadFlag(f"service-account-jwks-uri must be a valid URL: {error}") from error
        if scheme != "https":
            raise BadFlag(f"service-account-jwks-uri requires https scheme, parsed as: {text}")
    return text


def jwt_of(flags: Flags, disallowed: tuple[str, ...], clock: SystemClock) -> tuple[Issuers, list[Component], list[Any]]:
    """The issuers of --authentication-config or of --oidc-*; what must run for them, and what they count."""
    by_flags = any(name.startswith(OIDC) for name in flags.values)
    fetch = Fetcher(clock).get
    if not (path := flags.last("authentication-config")):
        configuration = oidc_of(flags).configuration() if by_flags else AuthenticationConfiguration()
        issuers = Issuers(configuration, disallowed, fetch, clock, algorithms=algorithms_of(flags), server_id=SERVER_ID)
        return issuers, [issuers], [issuers]
    if by_flags:
        raise BadFlag("authentication-config file and oidc-* flags are mutually exclusive")
    data = Path(path).read_bytes()
    try:
        configuration = parsed(data)
    except ValueError as error:
        raise ValueError(f'failed to load authentication configuration from file "{path}": {error}') from error
    issuers = Issuers(configuration, disallowed, fetch, clock, server_id=SERVER_ID)
    reloads = Reloads("authentication", SERVER_ID)
    return issuers, [issuers, WatchedFile(Path(path), data, issuers.apply, clock, reloads)], [issuers, reloads]


def webhook_of(flags: Flags, audiences: tuple[str, ...], clock: SystemClock) -> Iterator[TokenAuthenticator]:
    """The webhook of --authentication-token-webhook-*, where there is one."""
    path, version = flags.last("authentication-token-webhook-config-file"), flags.last("authentication-token-webhook-version", "v1beta1")
    seconds = flags.seconds("authentication-token-webhook-cache-ttl", "2m0s")
    if not path:
        return
    if version not in VERSIONS:
        raise BadFlag(f'unsupported authentication webhook version "{version}", supported versions are "v1", "v1beta1"')
    webhook = ConfiguredWebhook(WebhookClient(no_service, clock), endpoint_in(Path(path)))
    yield WebhookTokenAuthenticator(Asker(webhook.post, clock, Entropy()).ask, version, audiences, clock, seconds)


def oidc_of(flags: Flags) -> OIDCFlags:
    """The one issuer of --oidc-*."""
    issuer, client = flags.last("oidc-issuer-url"), flags.last("oidc-client-id")
    if not issuer or not client:
        raise BadFlag("oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set")
    required = {}
    for text in flags.values.get("oidc-required-claim", ()):
        name, equals, value = text.partition("=")
        if not equals:
            raise BadFlag(f'invalid argument "{text}" for "--oidc-required-claim" flag: malformed pair, expect string=string')
        required[name.strip()] = value.strip()
    authority = flags.last("oidc-ca-file")
    return OIDCFlags(
        issuer,
        client,
        Path(authority).read_text() if authority else "",
        flags.last("oidc-username-claim", "sub"),
        flags.last("oidc-username-prefix"),
        flags.last("oidc-groups-claim"),
        flags.last("oidc-groups-prefix"),
        required,
    )


def algorithms_of(flags: Flags) -> tuple[str, ...]:
    """The algorithms that tokens of --oidc-* may be signed with."""
    algorithms = flags.all("oidc-signing-algs") or ["RS256"]
    for algorithm in algorithms:
        if algorithm not in ALGORITHMS:
            raise BadFlag(f'oidc: unsupported signing alg: "{algorithm}"')
    return tuple(algorithms)


def anonymous_of(flags: Flags, configured: AnonymousAuthConfig | None, *, allows_all: bool) -> AnonymousRequests:
    """Requests that are allowed without credentials."""
    if configured is not None:
        if "anonymous-auth" in flags.values:
            said = "--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file"
            raise BadFlag(f"anonymous: Forbidden: {said}")
        return AnonymousRequests(configured.enabled, frozenset(condition.path for condition in configured.conditions))
    enabled = flags.switch("anonymous-auth", True)
    if enabled and allows_all:
        log.warning("anonymous requests are not let in where everybody may do everything: use another --authorization-mode")
        enabled = False
    return AnonymousRequests(enabled)
