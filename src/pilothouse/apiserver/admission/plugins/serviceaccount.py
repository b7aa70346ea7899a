"""ServiceAccount: sets the ServiceAccount of Pods, and mounts its token.

- A pod that names no ServiceAccount gets `default`; one that names a missing account is refused.
- The default account of a new namespace is made by a controller: a pod that comes first waits for it, WAIT_SECONDS at most.
- Unless it is turned off, containers get the projected volume `kube-api-access-xxxxx`: token, CA and namespace. Upstream makes
  up the end of that name for each pod; here it is the same in all, so that pods of one template differ in nothing but their names.
"""

from __future__ import annotations

from pilothouse.api import wellknown
from pilothouse.api.core.podreferences import secret_names
from pilothouse.api.types.core_v1 import (
    ConfigMapProjection,
    Container,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    LocalObjectReference,
    ObjectFieldSelector,
    Pod,
    ProjectedVolumeSource,
    ServiceAccount,
    ServiceAccountTokenProjection,
    Volume,
    VolumeMount,
    VolumeProjection,
)
from pilothouse.apiserver.admission.plugin import CREATE, PODS, UPDATE, AdmissionRequest, Plugin, World, refused

DEFAULT_NAME = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607
"""An hour and a little: upstream's way to know its own volumes from those that users ask for."""
FILE_MODE = 0o644
WAIT_SECONDS = 1.0


class ServiceAccountAdmission(Plugin):
    """Sets the ServiceAccount of a pod, and mounts its token."""

    name = "ServiceAccount"
    kinds = frozenset({PODS})

    def __init__(self) -> None:
        self._token: Volume | None = None

    async def mutate(self, request: AdmissionRequest, world: World) -> None:
        """Set the account, the token volume with its mounts, and the account's image pull secrets on a new pod.

        Mirror pods are left as they are.
        """
        if not request.is_pod or request.operation != CREATE:
            return
        pod: Pod = request.object
        if wellknown.CONFIG_MIRROR in pod.metadata.annotations:
            _check_mirror(request, pod)
            return
        pod.spec.serviceAccountName = pod.spec.serviceAccountName or pod.spec.serviceAccount or DEFAULT_NAME
        pod.spec.serviceAccount = pod.spec.serviceAccountName
        account = await _account(request, world, pod.spec.serviceAccountName)
        if should_mount(account, pod):
            self._token = self._token or token_volume(VOLUME_PREFIX + world.entropy.suffix())
            mount_token(pod, self._token)
        if not pod.spec.imagePullSecrets:
            pod.spec.imagePullSecrets = [LocalObjectReference(name=reference.name) for reference in account.imagePullSecrets]

    async def validate(self, request: AdmissionRequest, world: World) -> None:
        """Refuse a mirror pod that refers to API objects, and a new pod whose account does not exist."""
        if not request.is_pod or request.operation not in (CREATE, UPDATE):
            return
        pod: Pod = request.object
        if wellknown.CONFIG_MIRROR in pod.metadata.annotations:
            _check_mirror(request, pod)
        elif request.operation == CREATE:
            await _account(request, world, pod.spec.serviceAccountName)


async def _account(request: AdmissionRequest, world: World, name: str) -> ServiceAccount:
    seconds = WAIT_SECONDS if name == DEFAULT_NAME else 0.0
    account = await world.get(ServiceAccount, name, request.namespace)
    if account is None and seconds:
        account = await world.appears(ServiceAccount, name, request.namespace, seconds)
    if account is None:
        cause = f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found'
        raise refused(request, cause)
    return account


def _check_mirror(request: AdmissionRequest, pod: Pod) -> None:
    if pod.spec.serviceAccountName:
        raise refused(request, "a mirror pod may not reference service accounts")
    if any(secret_names(pod)):
        raise refused(request, "a mirror pod may not reference secrets")
    for volume in pod.spec.volumes:
        if volume.projected is not None and any(source.serviceAccountToken is not None for source in volume.projected.sources or ()):
            raise refused(request, "a mirror pod may not use ServiceAccountToken volume projections")


def should_mount(account: ServiceAccount, pod: Pod) -> bool:
    """Whether to mount the token: the Pod's field takes precedence over the account's; the default is true."""
    for said in (pod.spec.automountServiceAccountToken, account.automountServiceAccountToken):
        if said is not None:
            return said
    return True


def mount_token(pod: Pod, token: Volume) -> None:
    """Mount the token where nothing else is mounted in its place: from the pod's own volume of that kind, where it has one."""
    existing = next((volume for volume in pod.spec.volumes if volume.name.startswith(VOLUME_PREFIX)), None)
    mount = VolumeMount(name=(existing or token).name, readOnly=True, mountPath=MOUNT_PATH)
    needed = False
    for container in (*pod.spec.initContainers, *pod.spec.containers):
        needed |= _mount(container, mount)
    if needed and existing is None:
        pod.spec.volumes = [*pod.spec.volumes, token]


def _mount(container: Container, mount: VolumeMount) -> bool:
    if any(mount.mountPath == MOUNT_PATH for mount in container.volumeMounts):
        return False
    container.volumeMounts = [*container.volumeMounts, mount]
    return True


def _token_source() -> ProjectedVolumeSource:
    token = ServiceAccountTokenProjection(path="token", expirationSeconds=TOKEN_SECONDS)
    authority = ConfigMapProjection(name="kube-root-ca.crt", items=[KeyToPath(key="ca.crt", path="ca.crt")])
    field = ObjectFieldSelector(apiVersion="v1", fieldPath="metadata.namespace")
    namespace = DownwardAPIProjection(items=[DownwardAPIVolumeFile(path="namespace", fieldRef=field)])
    sources = [VolumeProjection(serviceAccountToken=token), VolumeProjection(configMap=authority), VolumeProjection(downwardAPI=namespace)]
    return ProjectedVolumeSource(defaultMode=FILE_MODE, sources=sources)


def token_volume(name: str) -> Volume:
    """The token volume, the same object in all Pods: committed objects are never changed."""
    return Volume(name=name, projected=_token_source())
