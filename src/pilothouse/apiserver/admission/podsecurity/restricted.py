"""The restricted standard: beyond the baseline, what a pod must say to be held tight."""

from __future__ import annotations

import msgspec

from pilothouse.api.types.core_v1 import PodSpec, Volume
from pilothouse.apiserver.admission.podsecurity.baseline import CAPABILITIES_BASELINE, HOST_PATHS, SECCOMP_BASELINE, seccomp_profiles
from pilothouse.apiserver.admission.podsecurity.check import (
    Check,
    Finding,
    but_windows,
    containers,
    contexts,
    named,
    number,
    quoted,
    setters,
)
from pilothouse.machinery.meta_v1 import ObjectMeta

VOLUMES = frozenset(("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"))
NON_ROOT = "runAsNonRoot != true"


def privilege_escalation(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    bound = {name for name, one in contexts(spec) if one.allowPrivilegeEscalation is False}
    wrong = [one.name for one in containers(spec) if one.name not in bound]
    if not wrong:
        return None
    return Finding("allowPrivilegeEscalation != false", f"{named(wrong)} must set securityContext.allowPrivilegeEscalation=false")


def capabilities(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    given = {name: one.capabilities for name, one in contexts(spec) if one.capabilities is not None}
    keeping = [one.name for one in containers(spec) if one.name not in given or "ALL" not in given[one.name].drop]
    added = {name: set(one.add) - {"NET_BIND_SERVICE"} for name, one in given.items()}
    adding = [name for name, one in added.items() if one]
    told = [f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    if adding:
        names = quoted(sorted(set().union(*added.values())))
        told.append(f"{named(adding)} must not include {names} in securityContext.capabilities.add")
    return Finding("unrestricted capabilities", "; ".join(told)) if told else None


def volumes(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    wrong = {one.name: kind for one in spec.volumes if (kind := kind_of(one)) not in VOLUMES}
    if not wrong:
        return None
    kinds = sorted(set(wrong.values()))
    what = f"{number('volume', 'volumes', len(wrong))} {quoted(wrong)} {number('uses', 'use', len(wrong))}"
    return Finding(
        "restricted volume types", f"{what} {number('restricted volume type', 'restricted volume types', len(kinds))} {quoted(kinds)}"
    )


def kind_of(volume: Volume) -> str:
    kinds = (one.name for one in msgspec.structs.fields(volume) if one.name != "name")
    return next((one for one in kinds if getattr(volume, one) is not None), "unknown")


def non_root(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    of_pod = spec.securityContext.runAsNonRoot if spec.securityContext is not None else None
    said = {name: one.runAsNonRoot for name, one in contexts(spec) if one.runAsNonRoot is not None}
    wrong = [name for name, one in said.items() if not one]
    if of_pod is False or wrong:
        return Finding(NON_ROOT, f"{setters(of_pod is False, wrong)} must not set securityContext.runAsNonRoot=false")
    silent = [one.name for one in containers(spec) if one.name not in said] if of_pod is None else []
    return Finding(NON_ROOT, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true") if silent else None


def root_user(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    of_pod = spec.securityContext is not None and spec.securityContext.runAsUser == 0
    wrong = [name for name, one in contexts(spec) if one.runAsUser == 0]
    return Finding("runAsUser=0", f"{setters(of_pod, wrong)} must not set runAsUser=0") if of_pod or wrong else None


def seccomp(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    wrong = seccomp_profiles(meta, spec)
    of_pod = spec.securityContext.seccompProfile if spec.securityContext is not None else None
    if wrong is not None or of_pod is not None:
        return wrong
    said = {name for name, one in contexts(spec) if one.seccompProfile is not None}
    silent = [one.name for one in containers(spec) if one.name not in said]
    if not silent:
        return None
    return Finding(
        "seccompProfile", f'pod or {named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
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
