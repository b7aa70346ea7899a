"""Bootstrap signer: signs the ConfigMap `cluster-info` in kube-public with every bootstrap token."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api import bootstraptokens
from pilothouse.api.types.core_v1 import ConfigMap, Secret
from pilothouse.client.store import Key
from pilothouse.controllers.framework.actions import Action, RequeueAfter, Update
from pilothouse.controllers.framework.controller import READ, Controller, Related, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec


def _cluster_info(secret: Secret, world: World) -> Iterator[Key]:
    if secret.type == bootstraptokens.TYPE and secret.metadata.namespace == bootstraptokens.NAMESPACE:
        yield bootstraptokens.PUBLIC_NAMESPACE, bootstraptokens.CLUSTER_INFO


class BootstrapSigner(Controller):
    """Keeps a signature of the kubeconfig for each token that may sign, and none for others; an expired token's goes with its time."""

    name = "bootstrap-signer-controller"
    account = "bootstrap-signer"
    reconciles = ConfigMap
    watches = (Related(Secret, _cluster_info),)
    rules = (Rule("", ("secrets",), READ), Rule("", ("configmaps",), (*READ, "update")))

    def concerns(self, obj: ConfigMap) -> bool:
        """Only `cluster-info` is signed."""
        return (obj.metadata.namespace, obj.metadata.name) == (bootstraptokens.PUBLIC_NAMESPACE, bootstraptokens.CLUSTER_INFO)

    def plan(self, config_map: ConfigMap, world: World) -> Iterator[Action]:
        """Update the signatures that differ."""
        if not self.concerns(config_map):
            return
        secrets = [each for each in world.list(Secret, bootstraptokens.NAMESPACE) if each.type == bootstraptokens.TYPE]
        data = bootstraptokens.signed(config_map.data, secrets, world.now)
        if data != config_map.data:
            changed = codec.clone(config_map)
            changed.data = data
            yield Update(changed)
        times = [bootstraptokens.seconds_left(secret, world.now) for secret in secrets]
        if left := [seconds for seconds in times if seconds]:
            yield RequeueAfter(min(left))
