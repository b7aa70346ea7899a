"""DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise."""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Pod, Toleration
from pilothouse.apiserver.admission.plugin import CREATE, PODS, UPDATE, AdmissionRequest, Plugin, World

SECONDS = 300
TAINTS = (wellknown.NODE_NOT_READY, wellknown.NODE_UNREACHABLE)


class DefaultTolerationSeconds(Plugin):
    """Adds tolerations of 300 seconds for nodes that are not ready or unreachable."""

    name = "DefaultTolerationSeconds"
    kinds = frozenset({PODS})

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Add tolerations of 300 seconds for the taints not-ready and unreachable, unless the pod tolerates them already."""
        if not request.is_pod or request.operation not in (CREATE, UPDATE):
            return
        pod: Pod = request.object
        missing = [taint for taint in TAINTS if not any(tolerates(toleration, taint) for toleration in pod.spec.tolerations)]
        added = [Toleration(key=taint, operator="Exists", effect="NoExecute", tolerationSeconds=SECONDS) for taint in missing]
        if added:
            pod.spec.tolerations = [*pod.spec.tolerations, *added]


def tolerates(toleration: Toleration, taint: str) -> bool:
    """Whether the toleration covers this NoExecute taint, whatever its value."""
    return toleration.key in ("", taint) and toleration.effect in ("", "NoExecute")
