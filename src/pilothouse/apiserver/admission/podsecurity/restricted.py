"""The restricted standard of Pod security: what it requires beyond the baseline."""

from __future__ import annotations

import msgspec

from pilothouse.api.types.core_v1 import PodSpec, Volume
from pilothouse.apiserver.admission.podsecurity.baseline import CAPABILITIES_BASELINE, HOST_PATHS, SECCOMP_BASELINE, seccomp_profiles
from pilothouse.apiserver.admission.podsecurity.check import (
    Check,
    Finding,
    but_windows,
    container_names,
    containers,
    contexts,
    number,
    quoted,
    setters,
)
from pilothouse.machinery.meta_v1 import ObjectMeta

VOLUMES = frozenset(("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"))
NON_ROOT = "runAsNonRoot != true"


def privilege_escalation(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Containers that do not set allowPrivilegeEscalation to false. Upstream: check_allowPrivilegeEscalation."""
    bound = {name for name, context in contexts(spec) if context.allowPrivilegeEscalation is False}
    wrong = [container.name for container in containers(spec) if container.name not in bound]
    if not wrong:
        return None
    return Finding("allowPrivilegeEscalation != false", f"{container_names(wrong)} must set securityContext.allowPrivilegeEscalation=false")


def capabilities(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Containers that do not drop ALL, or add more than NET_BIND_SERVICE. Upstream: check_capabilities_restricted."""
    given = {name: context.capabilities for name, context in contexts(spec) if context.capabilities is not None}
    keeping = [container.name for container in containers(spec) if container.name not in given or "ALL" not in given[container.name].drop]
    added = {name: set(context.add) - {"NET_BIND_SERVICE"} for name, context in given.items()}
    adding = [name for name, names in added.items() if names]
    told = [f'{container_names(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    if adding:
        names = quoted(sorted(set().union(*added.values())))
        told.append(f"{container_names(adding)} must not include {names} in securityContext.capabilities.add")
    return Finding("unrestricted capabilities", "; ".join(told)) if told else None


def volumes(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Volumes of other types than the restricted standard allows. Upstream: check_restrictedVolumes."""
    wrong = {volume.name: kind for volume in spec.volumes if (kind := kind_of(volume)) not in VOLUMES}
    if not wrong:
        return None
    kinds = sorted(set(wrong.values()))
    what = f"{number('volume', 'volumes', len(wrong))} {quoted(wrong)} {number('uses', 'use', len(wrong))}"
    return Finding(
        "restricted volume types", f"{what} {number('restricted volume type', 'restricted volume types', len(kinds))} {quoted(kinds)}"
    )


def kind_of(volume: Volume) -> str:
    """The type of a volume: its field that is set, `unknown` when none is."""
    kinds = (field.name for field in msgspec.structs.fields(volume) if field.name != "name")
    return next((kind for kind in kinds if getattr(volume, kind) is not None), "unknown")


def non_root(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Pods and containers that do not run as non-root by runAsNonRoot. Upstream: check_runAsNonRoot."""
    of_pod = spec.securityContext.runAsNonRoot if spec.securityContext is not None else None
    said = {name: context.runAsNonRoot for name, context in contexts(spec) if context.runAsNonRoot is not None}
    wrong = [name for name, value in said.items() if not value]
    if of_pod is False or wrong:
        return Finding(NON_ROOT, f"{setters(of_pod is False, wrong)} must not set securityContext.runAsNonRoot=false")
    silent = [container.name for container in containers(spec) if container.name not in said] if of_pod is None else []
    return Finding(NON_ROOT, f"pod or {container_names(silent)} must set securityContext.runAsNonRoot=true") if silent else None


def root_user(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """A runAsUser of 0 in the pod or a container. Upstream: check_runAsUser."""
    of_pod = spec.securityContext is not None and spec.securityContext.runAsUser == 0
    wrong = [name for name, context in contexts(spec) if context.runAsUser == 0]
    return Finding("runAsUser=0", f"{setters(of_pod, wrong)} must not set runAsUser=0") if of_pod or wrong else None


def seccomp(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Containers without a seccomp profile in a pod without one, and profiles that the baseline forbids.

    Upstream: check_seccompProfile_restricted.
    """
    wrong = seccomp_profiles(meta, spec)
    of_pod = spec.securityContext.seccompProfile if spec.securityContext is not None else None
    if wrong is not None or of_pod is not None:
        return wrong
    said = {name for name, context in contexts(spec) if context.seccompProfile is not None}
    silent = [container.name for container in containers(spec) if container.name not in said]
    if not silent:
        return None
    return Finding(
        "seccompProfile",
        f'pod or {container_names(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"',
    )


RESTRICTED = (
    Check(((8, privilege_escalation), (25, but_windows(privilege_escalation)))),
    Check(((22, capabilities), (25, but_windows(capabilities))), overrides=CAPABILITIES_BASELINE),
    Check(((0, volumes),), overrides=HOST_PATHS),
    Check(((0, non_root),)),
    Check(((23, root_user),)),
    Check(((19, seccomp), (25, but_windows(seccomp))), overrides=SECCOMP_BASELINE),
)
"""In upstream's order, in which findings are told, after those of the baseline."""
