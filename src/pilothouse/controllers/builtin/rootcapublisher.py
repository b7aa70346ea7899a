"""The ConfigMap `kube-root-ca.crt` of every namespace: by what Pods know the API server."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.types.core_v1 import ConfigMap, Namespace
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, Create, Update
from pilothouse.controllers.framework.controller import CREATE, READ, UPDATE, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import ObjectMeta

NAME = "kube-root-ca.crt"
FIELD = "ca.crt"
DESCRIPTION = "kubernetes.io/description"
TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP "
    "or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)
"""Upstream's description, which people find in their clusters."""


def _namespace_of(config_map: ConfigMap, world: World) -> Iterator[Key]:
    if config_map.metadata.name == NAME:
        yield "", config_map.metadata.namespace


class RootCAPublisher(Controller):
    """Keeps it there and true; does nothing when it was given no CA."""

    name = "root-ca-cert-publisher"
    account = "root-ca-cert-publisher"
    reconciles = Namespace
    watches = (Related(ConfigMap, _namespace_of),)
    rules = (Rule("", ("namespaces",), READ), Rule("", ("configmaps",), READ + CREATE + UPDATE))

    def plan(self, namespace: Namespace, world: World) -> Iterator[Action]:
        """Create the namespace's ConfigMap with the CA, or correct its data."""
        name, ca = namespace.metadata.name, world.settings.root_ca
        if not ca or namespace.status.phase == "Terminating" or namespace.metadata.deletionTimestamp:
            return
        current = world.get(ConfigMap, name, NAME)
        if current is None:
            meta = ObjectMeta(name=NAME, namespace=name, annotations={DESCRIPTION: TEXT})
            yield Create(ConfigMap(metadata=meta, data={FIELD: ca}), if_absent=True)
        elif current.data != {FIELD: ca} or not current.metadata.annotations.get(DESCRIPTION):
            changed = codec.clone(current)
            changed.data = {FIELD: ca}
            changed.metadata.annotations[DESCRIPTION] = TEXT
            yield Update(changed)
