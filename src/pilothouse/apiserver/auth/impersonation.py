"""Who may act as whom: constrained impersonation by modes, and the old way by the verb `impersonate` alone (KEP-5284).

- A constrained mode asks two things: may the asker do this very request in that mode (`impersonate-on:MODE:VERB`), and may he act as
  that user (`impersonate:MODE` on nodes, serviceaccounts, users, groups, uids, userextras of authentication.k8s.io)?
- Modes are tried in order, the one that let the same asker through last is tried first; what the first of them objected is told.

Upstream: apiserver/pkg/endpoints/filters/impersonation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pilothouse.api.core.validation.fields import validate_prefixed_path
from pilothouse.apiserver.auth.authorizer import Attributes, Decision, denied
from pilothouse.apiserver.auth.user import (
    ANONYMOUS_USER,
    AUTHENTICATED,
    MASTERS,
    NODE_PREFIX,
    NODES,
    SERVICE_ACCOUNT_PREFIX,
    UNAUTHENTICATED,
    User,
    service_account_groups,
)
from pilothouse.machinery import names
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.quoting import aggregate, go_quoted

GROUP = "authentication.k8s.io"
NODE_NAME = "authentication.kubernetes.io/node-name"
NODE_KEYS = "authentication.kubernetes.io/associated-node-keys"
MANY = 4
"""From so many groups or extra values on, all of them are asked for at once first."""
ASKERS_REMEMBERED = 10_000

Check = Callable[[User, Attributes], Awaitable[Decision]]


def account_of(name: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that a user is."""
    if not name.startswith(SERVICE_ACCOUNT_PREFIX):
        return None
    namespace, colon, account = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
    return None if not colon or names.dns_label(namespace) or names.dns_subdomain(account) else (namespace, account)


def node_of(name: str) -> str | None:
    """The node that a user is."""
    node = name.removeprefix(NODE_PREFIX)
    return None if node == name or names.dns_subdomain(node) else node


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to impersonate: `applies(asker, wanted)`; without a name it is the old way."""

    name: str
    applies: Callable[[User, User], bool]

    @property
    def verb(self) -> str:
        """What must be allowed on the user who is wanted."""
        return f"impersonate:{self.name}" if self.name else "impersonate"

    async def check(self, check: Check, asker: User, wanted: User, request: Attributes) -> User:
        """The user to act as; StatusError 403 when the asker may not."""
        if self.name:
            await _must(check, self._as_asked(asker), replace(request, verb=f"impersonate-on:{self.name}:{request.verb}"))
        groups = await self._check_name(check, asker, wanted)
        if wanted.uid:
            await _must(check, self._as_asked(asker), Attributes(self.verb, GROUP, "v1", "uids", name=wanted.uid))
        await self._check_groups(check, asker, wanted.groups)
        await self._check_extra(check, asker, wanted.extra)
        return User(wanted.name, wanted.uid, with_known_groups(wanted.name, groups), wanted.extra)

    def _as_asked(self, asker: User) -> User:
        """The asker as the authorizer sees him: a node's own ServiceAccount is the same on every node."""
        return replace(asker, extra={NODE_KEYS: tuple(sorted(asker.extra))}) if self.name == "associated-node" else asker

    async def _check_name(self, check: Check, asker: User, wanted: User) -> tuple[str, ...]:
        """The groups that follow from being that user, or those that are wanted."""
        group, groups = GROUP if self.name else "", wanted.groups
        attributes = Attributes(self.verb, group, "v1", "users", name=wanted.name)
        node = node_of(wanted.name) if self.name else None
        if node is not None:
            name = "*" if self.name == "associated-node" else node
            attributes, groups = replace(attributes, resource="nodes", name=name), (NODES,)
        account = account_of(wanted.name)
        if account is not None:
            attributes = replace(attributes, resource="serviceaccounts", namespace=account[0], name=account[1])
            groups = groups or service_account_groups(account[0])[:-1]
        await _must(check, self._as_asked(asker), attributes)
        return groups

    async def _check_groups(self, check: Check, asker: User, groups: tuple[str, ...]) -> None:
        attributes = Attributes(self.verb, GROUP if self.name else "", "v1", "groups")
        if self.name and "" in groups:
            raise denied(asker, attributes, Decision(False, "impersonating the empty string group is not allowed"))
        if self.name and MASTERS in groups:
            said = "impersonating the system:masters group is not allowed"
            raise denied(asker, replace(attributes, name=MASTERS), Decision(False, said))
        if self.name and len(groups) >= MANY and (await check(asker, replace(attributes, name="*"))).allowed:
            return
        for group in groups:
            await _must(check, asker, replace(attributes, name=group))

    async def _check_extra(self, check: Check, asker: User, extra: Mapping[str, tuple[str, ...]]) -> None:
        attributes = Attributes(self.verb, GROUP, "v1", "userextras")
        if self.name and (problem := problem_of(extra)):
            raise denied(asker, attributes, Decision(False, problem))
        if self.name and (len(extra) >= MANY or sum(map(len, extra.values())) >= MANY):
            everything = replace(attributes, subresource="*", name="*")
            if (await check(asker, everything)).allowed:
                return
        for key, values in extra.items():
            for value in values:
                await _must(check, asker, replace(attributes, subresource=key, name=value))


def problem_of(extra: Mapping[str, tuple[str, ...]]) -> str:
    """Why extra keys cannot be impersonated in a constrained mode, "" when they can."""
    for key, values in extra.items():
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        validate_prefixed_path(key, problems := Problems("extra.key"))
        if problems:
            return f"impersonating an invalid key in extra is not allowed: {aggregate(map(str, problems.found))}"
        if key != key.lower():
            return f"impersonating a non-lowercase key in extra is not allowed: {go_quoted(key)}"
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""


async def _must(check: Check, asker: User, attributes: Attributes) -> None:
    decision = await check(asker, attributes)
    if not decision.allowed:
        raise denied(asker, attributes, decision)


def _only_named(wanted: User) -> bool:
    return not (wanted.uid or wanted.groups or wanted.extra)


def _is_own_node(asker: User, wanted: User) -> bool:
    node = node_of(wanted.name)
    is_account = node is not None and account_of(asker.name) is not None
    return is_account and _only_named(wanted) and tuple(asker.extra.get(NODE_NAME, ())) == (node,)


LEGACY = Mode("", lambda asker, wanted: True)
CONSTRAINED = (
    Mode("associated-node", _is_own_node),
    Mode("arbitrary-node", lambda asker, wanted: _only_named(wanted) and node_of(wanted.name) is not None),
    Mode("serviceaccount", lambda asker, wanted: _only_named(wanted) and account_of(wanted.name) is not None),
    Mode("user-info", lambda asker, wanted: node_of(wanted.name) is None and account_of(wanted.name) is None),
)


@dataclass(slots=True, eq=False)
class Impersonation:
    """Decides; remembers which mode let an asker through last. One per API server; a collector of prometheus-client."""

    modes: tuple[Mode, ...] = (*CONSTRAINED, LEGACY)
    _last: dict[str, Mode] = field(default_factory=dict)
    _attempts: dict[tuple[str, str], int] = field(default_factory=dict)

    @staticmethod
    def of_level(level: str) -> Impersonation:
        """That of an API level: the constrained modes are there since 1.36."""
        return Impersonation((LEGACY,)) if level in ("1.34", "1.35") else Impersonation()

    async def user(self, check: Check, asker: User, wanted: User, request: Attributes) -> User:
        """The user to act as for `request`. StatusError 403 with what was objected first."""
        first: StatusError | None = None
        last = self._last.get(asker.name)
        for mode in sorted(self.modes, key=lambda mode: mode is not last):
            if not mode.applies(asker, wanted):
                continue
            try:
                user = await mode.check(check, asker, wanted, request)
            except StatusError as error:
                first = first or error
                continue
            if len(self._last) >= ASKERS_REMEMBERED:
                self._last.clear()
            self._last[asker.name] = mode
            self._count(mode.name or "legacy", "allowed")
            return user
        self._count("", "denied")
        assert first is not None, "the old way applies always"
        raise first

    def constraint_of(self, asker: User) -> str:
        """The verb that has let the asker impersonate last, where that was constrained; "" for the old way."""
        mode = self._last.get(asker.name)
        return mode.verb if mode is not None and mode.name else ""

    def _count(self, mode: str, decision: str) -> None:
        self._attempts[mode, decision] = self._attempts.get((mode, decision), 0) + 1

    def collect(self) -> Iterator[Any]:
        """The families of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily

        text = "Total number of impersonation attempts split by mode and decision."
        family = CounterMetricFamily("apiserver_impersonation_attempts_total", text, labels=("mode", "decision"))
        for labels, number in self._attempts.items():
            family.add_metric(labels, number)
        yield family


def with_known_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups with that of who is authenticated, or is not."""
    if name == ANONYMOUS_USER:
        return groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    return groups if AUTHENTICATED in groups or UNAUTHENTICATED in groups else (*groups, AUTHENTICATED)
