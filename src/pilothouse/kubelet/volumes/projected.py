"""projected: several sources in one directory in memory: ConfigMaps, Secrets, downward API, tokens, trust bundles, Pod certificates.

A token is asked for anew when 80 % of its life is over or it is a day old, as upstream does; files of tokens, bundles and certificates
belong to the one user that all containers run as, if there is one.
"""

from __future__ import annotations

from pilothouse.api.types.authentication_v1 import BoundObjectReference, TokenRequest, TokenRequestSpec
from pilothouse.api.types.core_v1 import (
    ConfigMap,
    PodCertificateProjection,
    Secret,
    ServiceAccount,
    ServiceAccountTokenProjection,
    VolumeProjection,
)
from pilothouse.kubelet.host.port import PayloadFile
from pilothouse.kubelet.launch.environment import fetched
from pilothouse.kubelet.mounts.files import (
    DEFAULT_MODE,
    MISSING_CONFIG_KEY,
    MISSING_SECRET_KEY,
    config_data,
    downward_api_files,
    key_files,
    secret_data,
)
from pilothouse.kubelet.mounts.podcertificates import credentials
from pilothouse.kubelet.mounts.port import Place, VolumeKind
from pilothouse.kubelet.mounts.trustanchors import trust_anchors
from pilothouse.machinery import time as times

DEFAULT_TOKEN_SECONDS = 3600
DAY_SECONDS = 24 * 3600.0
RENEW_AT = 0.8
PRIVATE_MODE, GROUP_MODE = 0o600, 0o640


async def publish(place: Place) -> None:
    """Write the files of all sources; tokens are requested when they are due. Raises VolumeError."""
    source = place.volume.projected
    assert source is not None
    files: dict[str, PayloadFile] = {}
    for index, projection in enumerate(source.sources or ()):
        files.update(await _files(place, index, projection, source.defaultMode))
    if not await place.host.is_mounted(place.path):
        await place.host.mount_tmpfs(place.path, mode=0o777)
    await place.host.write_payload(place.path, files)


async def _files(place: Place, index: int, projection: VolumeProjection, mode: int | None) -> dict[str, PayloadFile]:
    namespace = place.pod.metadata.namespace
    if projection.secret is not None:
        secret = await fetched(place.objects, Secret, namespace, projection.secret.name, projection.secret.optional)
        data = secret_data(secret) if secret is not None else {}
        return key_files(data, projection.secret.items, mode, optional=projection.secret.optional, missing=MISSING_SECRET_KEY)
    if projection.configMap is not None:
        config = await fetched(place.objects, ConfigMap, namespace, projection.configMap.name, projection.configMap.optional)
        data = config_data(config) if config is not None else {}
        return key_files(data, projection.configMap.items, mode, optional=projection.configMap.optional, missing=MISSING_CONFIG_KEY)
    if projection.downwardAPI is not None:
        return downward_api_files(place, projection.downwardAPI.items, mode)
    if projection.serviceAccountToken is not None:
        token = await _token(place, projection.serviceAccountToken)
        return {projection.serviceAccountToken.path: _private(place, token, mode)}
    if projection.clusterTrustBundle is not None:
        anchors = await trust_anchors(place.objects, projection.clusterTrustBundle)
        return {projection.clusterTrustBundle.path: _private(place, anchors, mode)}
    if projection.podCertificate is not None:
        return await _certificate(place, index, projection.podCertificate, mode)
    return {}


async def _certificate(place: Place, index: int, wanted: PodCertificateProjection, mode: int | None) -> dict[str, PayloadFile]:
    known = await credentials(place, index, wanted)
    texts = {
        wanted.credentialBundlePath: known.key + known.certificates,
        wanted.keyPath: known.key,
        wanted.certificateChainPath: known.certificates,
    }
    return {path: _private(place, text, mode) for path, text in texts.items() if path}


async def _token(place: Place, wanted: ServiceAccountTokenProjection) -> str:
    key, now = f"token {wanted.audience} {wanted.path}", place.clock.now().timestamp()
    text, renew_at = place.memory.get(key, ("", 0.0))
    if now >= renew_at:
        text, renew_at = await _request(place, wanted, now)
        place.memory[key] = (text, renew_at)
    return str(text)


def _private(place: Place, text: str, mode: int | None) -> PayloadFile:
    """A file for the user or the group of the pod alone, where it has one."""
    user = place.single_user
    chosen = DEFAULT_MODE if mode is None else mode
    if place.fs_group is not None:
        chosen = GROUP_MODE
    elif user is not None:
        chosen = PRIVATE_MODE
    return PayloadFile(text.encode(), chosen, owner=user)


async def _request(place: Place, wanted: ServiceAccountTokenProjection, now: float) -> tuple[str, float]:
    """A token bound to the pod, and when to ask for the next."""
    seconds = wanted.expirationSeconds or DEFAULT_TOKEN_SECONDS
    meta = place.pod.metadata
    bound = BoundObjectReference(apiVersion="v1", kind="Pod", name=meta.name, uid=meta.uid)
    audiences = [wanted.audience] if wanted.audience else []
    request = TokenRequest(spec=TokenRequestSpec(audiences=audiences, boundObjectRef=bound, expirationSeconds=seconds))
    account = place.pod.spec.serviceAccountName or "default"
    answer: TokenRequest = await place.client.create_subresource(ServiceAccount, account, meta.namespace, "token", request)
    expires = answer.status.expirationTimestamp
    life = times.parse(expires).timestamp() - now if expires else float(seconds)
    return answer.status.token, now + min(life * RENEW_AT, DAY_SECONDS)


PROJECTED = VolumeKind("projected", "kubernetes.io/projected", publish, live=True)
