"""kube-apiserver's flags, as far as they have a meaning here. Pure.

- `--name=value`, `--name value`, `-name`; a flag that may be given several times adds up, another's last value counts.
- Flags that are unknown here are named in `unknown`, with what follows them when it cannot be a flag: they are warned of, and never fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from pilothouse.apiserver.audit.options import DEFAULTS
from pilothouse.apiserver.audit.options import SWITCHES as AUDIT_SWITCHES
from pilothouse.apiserver.auth.requestheader import RequestHeaders
from pilothouse.machinery import strconv, time

AUTHENTICATION = frozenset((
    "api-audiences", "authentication-config", "authentication-token-webhook-cache-ttl", "authentication-token-webhook-config-file",
    "authentication-token-webhook-version", "oidc-ca-file", "oidc-client-id", "oidc-groups-claim", "oidc-groups-prefix",
    "oidc-issuer-url", "oidc-required-claim", "oidc-signing-algs", "oidc-username-claim", "oidc-username-prefix",
    "service-account-issuer", "service-account-jwks-uri", "service-account-key-file", "service-account-max-token-expiration",
    "service-account-signing-key-file", "token-auth-file",
))  # fmt: skip
"""Flags with a value that say how requests are authenticated."""
AUTHORIZATION = frozenset((
    "authorization-config", "authorization-mode", "authorization-webhook-cache-authorized-ttl",
    "authorization-webhook-cache-unauthorized-ttl", "authorization-webhook-config-file", "authorization-webhook-version",
))  # fmt: skip
"""Flags with a value that say how requests are authorized."""
AUDIT = frozenset(DEFAULTS) - AUDIT_SWITCHES
"""Flags with a value that say what is recorded of requests."""
VALUES = AUTHENTICATION | AUTHORIZATION | AUDIT | frozenset((
    "admission-control", "advertise-address", "bind-address", "cert-dir", "client-ca-file",
    "disable-admission-plugins", "enable-admission-plugins", "encryption-provider-config",
    "etcd-cafile", "etcd-certfile", "etcd-compaction-interval",
    "etcd-keyfile", "etcd-prefix", "etcd-servers", "event-ttl", "proxy-client-cert-file", "proxy-client-key-file",
    "requestheader-allowed-names",
    "requestheader-client-ca-file", "requestheader-extra-headers-prefix", "requestheader-group-headers",
    "requestheader-uid-headers", "requestheader-username-headers", "secure-port", "service-cluster-ip-range", "service-node-port-range",
    "tls-cert-file", "tls-private-key-file",
))  # fmt: skip
"""Flags with a value that means something here."""
SWITCHES = AUDIT_SWITCHES | frozenset((
    "allow-privileged", "anonymous-auth", "enable-bootstrap-token-auth", "encryption-provider-config-automatic-reload",
    "service-account-extend-token-expiration",
    "version", "help",
))  # fmt: skip
"""Flags that are true without a value."""
WITHOUT_EFFECT = frozenset((
    "allow-metric-labels",
    "default-watch-cache-size", "enable-aggregator-routing", "endpoint-reconciler-type", "etcd-count-metric-poll-period",
    "etcd-db-metric-poll-interval", "etcd-healthcheck-timeout", "etcd-readycheck-timeout", "feature-gates",
    "kubelet-certificate-authority", "kubelet-client-certificate", "kubelet-client-key", "kubelet-preferred-address-types",
    "max-mutating-requests-inflight", "max-requests-inflight", "min-request-timeout", "request-timeout", "runtime-config",
    "shutdown-delay-duration", "storage-backend", "storage-media-type", "v", "vmodule", "watch-cache",
))  # fmt: skip
"""Flags of kube-apiserver that change nothing here, and whose absence nobody notices: not warned of."""
HEADER_FLAGS = ("allowed-names", "username-headers", "uid-headers", "group-headers", "extra-headers-prefix")
PORTS = range(65536)


def help_text() -> str:
    """Every flag that is known, a line each: envtest looks there for the flags that it would give."""
    lines = ["Usage: kube-apiserver [flags]", "Pilothouse's API server: objects are kept in etcd, or without --etcd-servers in memory.", ""]
    lines += [f"      --{name}" for name in sorted(VALUES | SWITCHES)]
    lines += ["", "Flags of kube-apiserver that have no effect:", *(f"      --{name}" for name in sorted(WITHOUT_EFFECT))]
    return "\n".join(lines)


class BadFlag(ValueError):
    """A flag whose value cannot be used; the text says which and why."""


@dataclass(slots=True)
class Flags:
    """Values of the flags, with upstream's defaults."""

    values: dict[str, list[str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def last(self, name: str, default: str = "") -> str:
        """The value that counts of a flag that is given once."""
        return self.values[name][-1] if self.values.get(name) else default

    def all(self, name: str) -> list[str]:
        """All values of a flag, those between commas apart."""
        return [part for value in self.values.get(name, ()) for part in value.split(",") if part]

    def switch(self, name: str, default: bool) -> bool:
        """A flag that is true or false, in Go's words for them. BadFlag for another."""
        text = self.last(name)
        if not text:
            return default
        if text.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise BadFlag(f'invalid argument "{text}" for "--{name}" flag: strconv.ParseBool: parsing "{text}": invalid syntax')
        return text.lower() in ("true", "1", "t")

    def seconds(self, name: str, default: str) -> float:
        """A duration in Go's form. BadFlag for what is none."""
        text = self.last(name, default)
        try:
            return time.duration(text)
        except ValueError as error:
            raise BadFlag(f'invalid argument "{text}" for "--{name}" flag: {error}') from error

    @property
    def request_headers(self) -> RequestHeaders:
        """Header names of front proxies, and the names that they are accepted from."""
        return RequestHeaders(*(tuple(self.all(f"requestheader-{part}")) for part in HEADER_FLAGS))

    @property
    def secure_port(self) -> int:
        """The port to listen on. BadFlag for what is none."""
        text = self.last("secure-port", "6443")
        port = strconv.unsigned(text, PORTS)
        if port is None:
            raise BadFlag(f"--secure-port {text} must be between 1 and 65535, inclusive. It cannot be turned off with 0")
        return port

    @property
    def service_ranges(self) -> tuple[str, ...]:
        """The ranges of Services, one of each family at most. BadFlag for what is none."""
        texts = self.all("service-cluster-ip-range") or ["10.0.0.0/24"]
        try:
            return tuple(str(ip_network(text, strict=False)) for text in texts)
        except ValueError as error:
            raise BadFlag(f"--service-cluster-ip-range {','.join(texts)}: {error}") from error

    @property
    def api_addresses(self) -> tuple[str, ...]:
        """Endpoints of the Service `kubernetes`: none for a loopback address. Raises BadFlag for an invalid one."""
        text = self.last("advertise-address")
        try:
            return (text,) if text and not ip_address(text).is_loopback else ()
        except ValueError as error:
            raise BadFlag(f'invalid argument "{text}" for "--advertise-address" flag: failed to parse IP: "{text}"') from error

    @property
    def node_ports(self) -> tuple[int, int]:
        """The first and the last node port. BadFlag for what is no range."""
        text = self.last("service-node-port-range", "30000-32767")
        first, dash, last = text.partition("-")
        begin, end = strconv.unsigned(first, PORTS), strconv.unsigned(last, PORTS)
        if not dash or begin is None or end is None or begin > end:
            raise BadFlag(f"--service-node-port-range {text}: a range such as 30000-32767 is wanted")
        return begin, end


def parse(arguments: Sequence[str]) -> Flags:
    """Flags out of a command line."""
    flags, rest = Flags(), list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word.strip("-") == "":
            flags.unknown.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and name not in SWITCHES and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        elif not equals:
            value = "true"
        if name in VALUES or name in SWITCHES:
            flags.values.setdefault(name, []).append(value)
        elif name not in WITHOUT_EFFECT:
            flags.unknown.append(f"--{name}")
    return flags
