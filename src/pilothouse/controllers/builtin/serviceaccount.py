"""The ServiceAccount `default` of every namespace."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import Namespace, ServiceAccount
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, Create
from pilothouse.controllers.framework.controller import CREATE, READ, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery.meta_v1 import ObjectMeta

NAME = "default"


def _namespace_of(account: ServiceAccount, world: World) -> Iterator[Key]:
    if account.metadata.name == NAME:
        yield "", account.metadata.namespace


class ServiceAccountController(Controller):
    """Makes it when it is missing, unless the namespace is going away."""

    name = "serviceaccount"
    account = "service-account-controller"
    reconciles = Namespace
    watches = (Related(ServiceAccount, _namespace_of, lambda old, new: False),)
    rules = (Rule("", ("namespaces",), READ), Rule("", ("serviceaccounts",), READ + CREATE))

    def plan(self, namespace: Namespace, world: World) -> Iterator[Action]:
        """Create the ServiceAccount `default` when the namespace has none."""
        name = namespace.metadata.name
        if namespace.status.phase == "Terminating" or namespace.metadata.deletionTimestamp:
            return
        if world.get(ServiceAccount, name, NAME) is None:
            yield Create(ServiceAccount(metadata=ObjectMeta(name=NAME, namespace=name)), if_absent=True)
