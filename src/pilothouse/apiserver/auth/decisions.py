"""The decisions about calls in process of one user, remembered while roles and bindings stay as they are.

What a user may do to every name in every namespace is remembered by verb and resource, so that a component's call costs one
look-up; anything narrower is asked of the authorizer each time.
"""

from __future__ import annotations

from dataclasses import replace

from pilothouse.apiserver.auth.authorizer import ALLOWED, Attributes, Authorizer, Decision, denied
from pilothouse.apiserver.auth.modes import decide, waits
from pilothouse.apiserver.auth.selectors import SELECTING_VERBS, selected_name
from pilothouse.apiserver.auth.user import MASTERS, User
from pilothouse.client.call import Call
from pilothouse.machinery.errors import internal_error


class Decisions:
    """One per in-process client. Without an authorizer everything is allowed."""

    def __init__(self, user: User, authorizer: Authorizer | None) -> None:
        self._user = user
        self._authorizer = None if MASTERS in user.groups else authorizer
        self._everywhere: dict[tuple[str, str, str, str], bool] = {}
        """Whether the user may do it to every name in every namespace."""
        self._revision = -1

    @property
    def wait(self) -> bool:
        """Whether a decision may have to be waited for: `decide` does."""
        return waits(self._authorizer)

    async def decide(self, call: Call) -> Decision:
        """The decision about a call, waiting for webhooks."""
        return ALLOWED if self._authorizer is None else await decide(self._authorizer, self._user, attributes_of(call))

    def require(self, call: Call, decision: Decision) -> None:
        """StatusError 403 in upstream's words for a decision against the call, 500 where something went wrong on the way to it."""
        if not decision.allowed:
            raise internal_error(decision.error) if decision.error else denied(self._user, attributes_of(call), decision)

    def check(self, call: Call) -> None:
        """StatusError 403 in upstream's words when the user may not do it."""
        authorizer = self._authorizer
        if authorizer is None:
            return
        if (revision := authorizer.revision()) != self._revision:
            self._everywhere.clear()
            self._revision = revision
        resource = call.resource
        key = (call.verb, resource.group, resource.plural, call.subresource)
        is_allowed = self._everywhere.get(key)
        if is_allowed is None:
            asked = Attributes(call.verb, resource.group, resource.version, resource.plural, call.subresource)
            is_allowed = self._everywhere[key] = authorizer.authorize(self._user, asked).allowed
        if is_allowed:
            return
        asked = attributes_of(call)
        decision = authorizer.authorize(self._user, asked)
        if not decision.allowed:
            raise denied(self._user, asked, decision)


def attributes_of(call: Call) -> Attributes:
    """What a call is about, as an authorizer and an auditor see it."""
    resource, options = call.resource, call.options
    asked = Attributes(call.verb, resource.group, resource.version, resource.plural, call.subresource, call.namespace, call.name)
    if call.verb not in SELECTING_VERBS or not (options.field_selector or options.label_selector):
        return asked
    name = call.name or (selected_name(options.field_selector) if call.verb != "deletecollection" else "")
    return replace(asked, name=name, field_selector=options.field_selector, label_selector=options.label_selector)
