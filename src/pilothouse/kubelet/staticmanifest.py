"""Static Pods from manifests, defaulted and validated as by the API server, and their mirror Pods. Pure.

As upstream, a static pod may not refer to objects of the API: there may be no API.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from pilothouse.api import wellknown
from pilothouse.api.catalogue import resource_of
from pilothouse.api.core.podreferences import PROJECTED_REFERENCES, REFERENCES
from pilothouse.api.types.core_v1 import Node, Pod, PodStatus, Toleration, Volume
from pilothouse.kubelet.objects import references
from pilothouse.machinery import codec, metadata
from pilothouse.machinery.errors import StatusError, bad_request, invalid
from pilothouse.machinery.meta_v1 import ObjectMeta, OwnerReference
from pilothouse.machinery.problems import Problems

HASH = "kubernetes.io/config.hash"


def read_pod(text: bytes, node_name: str, seen: str) -> Pod:
    """The static Pod of a manifest. Raises StatusError when it is invalid. `seen` is the time at which it was read."""
    resource = resource_of(Pod)
    pod: Pod = codec.decode(text, resource, content_type=codec.YAML).object
    digest = hashlib.sha256(text + node_name.encode()).hexdigest()
    meta = pod.metadata
    if not meta.name:
        raise bad_request("invalid pod: name is needed for the pod")
    meta.name, meta.namespace = f"{meta.name}-{node_name}", meta.namespace or "default"
    meta.uid = uid_of(digest)
    meta.annotations = {**meta.annotations, wellknown.CONFIG_SOURCE: "file", HASH: digest[:32], wellknown.CONFIG_SEEN: seen}
    meta.creationTimestamp = seen
    pod.spec.nodeName = node_name
    pod.spec.tolerations = [*pod.spec.tolerations, Toleration(operator="Exists", effect="NoExecute")]
    pod.status = PodStatus(phase="Pending")
    for default in resource.defaults:
        default(pod)
    _validate(pod)
    return pod


def uid_of(digest: str) -> str:
    """Uid of the static Pod whose manifest has this hash, which its mirror has as an annotation."""
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def mirror_of(pod: Pod, node: Node) -> Pod:
    """Mirror Pod of a static Pod."""
    meta = pod.metadata
    owner = OwnerReference(apiVersion="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid, controller=True)
    return Pod(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels=meta.labels,
            annotations={**meta.annotations, wellknown.CONFIG_MIRROR: meta.annotations[HASH]},
            ownerReferences=[owner],
        ),
        spec=pod.spec,
    )


def _validate(pod: Pod) -> None:
    resource, problems = resource_of(Pod), Problems()
    metadata.validate_metadata(pod.metadata, resource.namespaced, resource.name_rule, problems.at("metadata"))
    for validate in resource.validators:
        validate(pod, problems)
    if problems:
        raise invalid(resource.kind, resource.group, pod.metadata.name, list(dict.fromkeys(problems.found)))
    referred = next(_referred(pod), "")
    if referred:
        raise _refused(referred)


def _referred(pod: Pod) -> Iterator[str]:
    """What of the API the pod needs, in upstream's words."""
    if pod.spec.serviceAccountName:
        yield "serviceaccounts"
    volumes = {(kind, namespace, name) for volume in pod.spec.volumes for kind, namespace, name in _of(pod, volume)}
    kinds = {kind.__name__ for kind, namespace, name in references(pod) if (kind, namespace, name) not in volumes}
    yield from (name for kind, name in (("Secret", "secrets"), ("ConfigMap", "configmaps")) if kind in kinds)
    if pod.spec.resourceClaims:
        yield "resourceclaims"
    for volume in pod.spec.volumes:
        yield from (name for field, name in REFERENCES.items() if getattr(volume, field, None) is not None)
        for source in (volume.projected.sources or ()) if volume.projected is not None else ():
            yield from (name for field, name in PROJECTED_REFERENCES.items() if getattr(source, field, None) is not None)


def _of(pod: Pod, volume: Volume) -> set[tuple[type, str, str]]:
    alone = Pod(metadata=pod.metadata)
    alone.spec.volumes = [volume]
    return set(references(alone))


def _refused(referred: str) -> StatusError:
    return bad_request(f"static pods may not reference {referred}")
