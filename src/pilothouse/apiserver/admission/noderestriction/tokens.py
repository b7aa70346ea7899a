"""Tokens that a kubelet may ask for: bound to a Pod of its node, for one audience that this Pod names in its volumes or drivers."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.authentication_v1 import TokenRequest
from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod, Volume
from pilothouse.api.types.storage_v1 import CSIDriver
from pilothouse.apiserver.admission.plugin import CREATE, AdmissionRequest, World, refused
from pilothouse.apiserver.auth.authorizer import Attributes
from pilothouse.machinery.errors import StatusError, not_found
from pilothouse.machinery.quoting import aggregate, go_quoted

ASK_FOR_AUDIENCE = "request-serviceaccounts-token-audience"
IN_TREE_DRIVERS = {
    "gcePersistentDisk": "pd.csi.storage.gke.io",
    "awsElasticBlockStore": "ebs.csi.aws.com",
    "cinder": "cinder.csi.openstack.org",
    "azureDisk": "disk.csi.azure.com",
    "azureFile": "file.csi.azure.com",
    "vsphereVolume": "csi.vsphere.vmware.com",
    "portworxVolume": "pxd.portworx.com",
}
"""The CSI drivers that stand for volume sources of older days."""


async def check(request: AdmissionRequest, world: World, node: str) -> None:
    """Refuse a token that no Pod of the node has a use for. Raises StatusError."""
    if request.operation != CREATE or request.subresource != "token":
        return
    asked: TokenRequest = request.object
    bound = asked.spec.boundObjectRef
    if bound is None or (bound.apiVersion, bound.kind) != ("v1", "Pod") or not bound.name:
        raise refused(request, "node requested token not bound to a pod")
    if not bound.uid:
        raise refused(request, "node requested token with a pod binding without a uid")
    pod = await world.get(Pod, bound.name, request.namespace)
    if pod is None:
        raise not_found("pod", "", bound.name)
    if bound.uid != pod.metadata.uid:
        told = "does not match the UID in record. The object might have been deleted and then recreated"
        raise refused(request, f"the UID in the bound object reference ({bound.uid}) {told}")
    if pod.spec.nodeName != node:
        raise refused(request, "node requested token bound to a pod scheduled on a different node")
    await _check_audience(request, world, pod, asked.spec.audiences or ())


async def _check_audience(request: AdmissionRequest, world: World, pod: Pod, audiences: Sequence[str]) -> None:
    if len(audiences) > 1:
        raise refused(request, "node may only request 0 or 1 audiences")
    audience = audiences[0] if audiences else ""
    problems: list[str] = []
    for volume in pod.spec.volumes:
        try:
            if await _names(volume, world, pod, audience):
                return
        except StatusError as error:
            problems.append(str(error))
    if problems:
        raise refused(request, f"error validating audience {go_quoted(audience)}: {aggregate(problems)}")
    group, version = request.resource.group, request.resource.version
    wanted = Attributes(ASK_FOR_AUDIENCE, group, version, resource=audience, namespace=request.namespace, name=request.name)
    if not world.may(request.user, wanted):
        raise refused(request, f"{request.user.name} is not authorized to request tokens for audience {go_quoted(audience)}")


async def _names(volume: Volume, world: World, pod: Pod, audience: str) -> bool:
    """Whether a volume of the Pod needs tokens for an audience: in a projection, or for its driver."""
    if volume.projected is not None:
        tokens = (source.serviceAccountToken for source in volume.projected.sources or ())
        if any(token is not None and token.audience == audience for token in tokens):
            return True
    name = await _driver_of_volume(volume, world, pod)
    if not name:
        return False
    driver = await world.get(CSIDriver, name)
    if driver is None:
        raise not_found("csidriver", "storage.k8s.io", name)
    return any(token.audience == audience for token in driver.spec.tokenRequests)


async def _driver_of_volume(volume: Volume, world: World, pod: Pod) -> str:
    """The CSI driver of a volume; "" of one that has none. StatusError when what it names is not there."""
    namespace = pod.metadata.namespace
    if volume.ephemeral is not None and volume.ephemeral.volumeClaimTemplate is not None:
        return await _driver_of_claim(world, namespace, f"{pod.metadata.name}-{volume.name}")
    if volume.persistentVolumeClaim is not None:
        return await _driver_of_claim(world, namespace, volume.persistentVolumeClaim.claimName)
    return _driver(volume)


async def _driver_of_claim(world: World, namespace: str, name: str) -> str:
    claim = await world.get(PersistentVolumeClaim, name, namespace)
    if claim is None:
        raise not_found("persistentvolumeclaim", "", name)
    volume = await world.get(PersistentVolume, claim.spec.volumeName)
    if volume is None:
        raise not_found("persistentvolume", "", claim.spec.volumeName)
    return _driver(volume.spec)


def _driver(source: object) -> str:
    """The CSI driver of a volume source; "" of one that has none."""
    csi = getattr(source, "csi", None)
    if csi is not None:
        return str(csi.driver)
    return next((driver for field, driver in IN_TREE_DRIVERS.items() if getattr(source, field, None) is not None), "")
