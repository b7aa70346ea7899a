"""Warnings about PodSpecs. Containers are in containers.py, volumes in volumes.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pilothouse.api import wellknown
from pilothouse.api.core.warnings.addresses import of_address
from pilothouse.api.core.warnings.containers import of_containers, of_fractions
from pilothouse.api.core.warnings.names import OLD_NODE_LABELS, of_node_selector_term
from pilothouse.api.core.warnings.volumes import of_volumes
from pilothouse.api.types.core_v1 import Affinity, PodAffinity, PodAntiAffinity, PodSpec, PodTemplateSpec
from pilothouse.machinery.problems import Problems

OLD_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
NO_SELECTOR = "a null labelSelector results in matching no pod"
REQUIRED, PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"


def of_template(template: PodTemplateSpec | None, *path: str) -> Iterator[str]:
    """Warnings for a pod template at this path. Upstream: GetWarningsForPodTemplate."""
    if template is not None:
        yield from of_pod_spec(template.spec, template.metadata.annotations, Problems(".".join(path)), is_pod=False)


def of_pod_spec(spec: PodSpec, annotations: Mapping[str, str], at: Problems, *, is_pod: bool) -> Iterator[str]:
    """`at` is where spec and metadata stand."""
    here, noted = at.at("spec"), at.at("metadata", "annotations")
    for key in spec.nodeSelector:
        if key in OLD_NODE_LABELS:
            yield f"{here.at('nodeSelector', f'[{key}]').path}: {OLD_NODE_LABELS[key]}"
    if spec.affinity is not None:
        yield from _of_node_affinity(spec.affinity, here.at("affinity", "nodeAffinity"))
    for index, constraint in enumerate(spec.topologySpreadConstraints):
        where = here.at("topologySpreadConstraints", index)
        if constraint.topologyKey in OLD_NODE_LABELS:
            yield f"{where.at('topologyKey').path}: {constraint.topologyKey} is {OLD_NODE_LABELS[constraint.topologyKey]}"
        if constraint.labelSelector is None:
            yield f"{where.at('labelSelector').path}: {NO_SELECTOR}"
    for key, message in OLD_ANNOTATIONS.items() if annotations else ():
        if key in annotations:
            yield f"{noted.at(f'[{key}]').path}: {message}"
    if spec.volumes:
        yield from of_volumes(spec.volumes, here.at("volumes"))
    yield from _of_lists(spec, here)
    yield from of_fractions(spec.overhead, here.at("overhead"))
    if wellknown.SECCOMP_POD in annotations and not (spec.securityContext and spec.securityContext.seccompProfile):
        yield f'{noted.at(f"[{wellknown.SECCOMP_POD}]").path}: non-functional in v1.27+; use the "seccompProfile" field instead'
    yield from of_containers(spec, annotations, at, is_pod=is_pod)
    if (spec.terminationGracePeriodSeconds or 0) < 0:
        yield f"{here.at('terminationGracePeriodSeconds').path}: must be >= 0; negative values are invalid and will be treated as 1"
    if spec.affinity is not None:
        for field in ("podAffinity", "podAntiAffinity"):
            yield from _of_pod_affinity(getattr(spec.affinity, field), here.at("affinity", field))


def _of_lists(spec: PodSpec, here: Problems) -> Iterator[str]:
    """Aliases and pull secrets that are said twice: of these, one is lost with the next apply."""
    seen: set[str] = set()
    for index, alias in enumerate(spec.hostAliases):
        path = here.at("hostAliases", index, "ip").path
        yield from of_address(path, alias.ip)
        if alias.ip in seen:
            yield f'{path}: duplicate ip "{alias.ip}"'
        seen.add(alias.ip)
    for index, address in enumerate(spec.dnsConfig.nameservers if spec.dnsConfig else ()):
        yield from of_address(here.at("dnsConfig", "nameservers", index).path, address)
    names = [secret.name for secret in spec.imagePullSecrets]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield f'{here.at("imagePullSecrets", index, "name").path}: duplicate name "{name}"'
    for index, name in enumerate(names):
        if not name:
            yield f'{here.at("imagePullSecrets", index, "name").path}: invalid empty name ""'


def _of_node_affinity(affinity: Affinity, here: Problems) -> Iterator[str]:
    node = affinity.nodeAffinity
    if node is None:
        return
    required = node.requiredDuringSchedulingIgnoredDuringExecution
    for index, term in enumerate((required.nodeSelectorTerms or ()) if required else ()):
        yield from of_node_selector_term(term, here.at(REQUIRED, "nodeSelectorTerms", index))
    for index, preferred in enumerate(node.preferredDuringSchedulingIgnoredDuringExecution):
        yield from of_node_selector_term(preferred.preference, here.at(PREFERRED, index, "preference"), values=True)


def _of_pod_affinity(affinity: PodAffinity | PodAntiAffinity | None, here: Problems) -> Iterator[str]:
    if affinity is None:
        return
    for index, term in enumerate(affinity.requiredDuringSchedulingIgnoredDuringExecution):
        if term.labelSelector is None:
            yield f"{here.at(REQUIRED, index, 'labelSelector').path}: {NO_SELECTOR}"
    for index, weighted in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution):
        if weighted.podAffinityTerm.labelSelector is None:
            yield f"{here.at(PREFERRED, index, 'podAffinityTerm', 'labelSelector').path}: {NO_SELECTOR}"
