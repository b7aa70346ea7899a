"""Rules of the security contexts of Pods and containers."""

from __future__ import annotations

import re

from pilothouse.api.core.validation.fields import INT32, optional_one_of, report
from pilothouse.api.core.validation.paths import validate_descending
from pilothouse.api.core.validation.windowsoptions import validate_windows_options
from pilothouse.api.internal import internal
from pilothouse.api.types.core_v1 import AppArmorProfile, PodSpec, SeccompProfile, SecurityContext
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL = rf"({SYSCTL_SEGMENT}[\./])*{SYSCTL_SEGMENT}"
SYSCTL_LIMIT = 253
IPC_SYSCTLS = re.compile(r"kernel\.(sem|shm.*|msg.*)|fs\.mqueue\..*")
LONGEST_PROFILE = 4095


def validate_container_security(context: SecurityContext | None, host_users: bool, problems: Problems) -> None:
    """Rules of a container's securityContext; `host_users` tells whether the Pod shares the host's user namespace.

    Upstream: ValidateSecurityContext.
    """
    if context is None:
        return
    _validate_identity(context, ("runAsUser", "runAsGroup"), problems)
    if context.procMount:
        optional_one_of(context.procMount, ("Default", "Unmasked"), problems, "procMount")
        if host_users and context.procMount == "Unmasked":
            problems.at("procMount").invalid(context.procMount, "`hostUsers` must be false to use `Unmasked`")
    _validate_seccomp(context.seccompProfile, problems.at("seccompProfile"))
    if context.allowPrivilegeEscalation is False:
        if context.privileged:
            problems.invalid(context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        if context.capabilities and "CAP_SYS_ADMIN" in context.capabilities.add:
            problems.invalid(context, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN")
    validate_windows_options(context.windowsOptions, problems.at("windowsOptions"))
    _validate_apparmor(context.appArmorProfile, problems.at("appArmorProfile"))


def validate_pod_security(spec: PodSpec, problems: Problems) -> None:
    """Rules of a Pod's securityContext. Upstream: validatePodSpecSecurityContext."""
    context = spec.securityContext
    if context is None:
        return
    _validate_identity(context, ("fsGroup", "runAsUser", "runAsGroup"), problems)
    for index, group in enumerate(context.supplementalGroups):
        report(names.in_range(group, 0, INT32), group, problems, "supplementalGroups", index)
    _validate_sysctls(spec, problems.at("sysctls"))
    optional_one_of(context.fsGroupChangePolicy, ("Always", "OnRootMismatch"), problems, "fsGroupChangePolicy")
    _validate_seccomp(context.seccompProfile, problems.at("seccompProfile"))
    validate_windows_options(context.windowsOptions, problems.at("windowsOptions"))
    _validate_apparmor(context.appArmorProfile, problems.at("appArmorProfile"))
    optional_one_of(context.supplementalGroupsPolicy, ("Merge", "Strict"), problems, "supplementalGroupsPolicy")
    optional_one_of(context.seLinuxChangePolicy, ("MountOption", "Recursive"), problems, "seLinuxChangePolicy")


def _validate_identity(context: object, fields: tuple[str, ...], problems: Problems) -> None:
    for field in fields:
        value = getattr(context, field)
        if value is not None:
            report(names.in_range(value, 0, INT32), value, problems, field)


def _validate_seccomp(profile: SeccompProfile | None, problems: Problems) -> None:
    if profile is None:
        return
    if not profile.type:
        problems.at("type").required("type is required when seccompProfile is set")
    elif profile.type not in PROFILE_TYPES:
        problems.at("type").not_supported(profile.type, PROFILE_TYPES)
    here = problems.at("localhostProfile")
    if profile.type == "Localhost":
        if not profile.localhostProfile:
            here.required("must be set when seccomp type is Localhost")
        else:
            validate_descending(profile.localhostProfile, here)
    elif profile.localhostProfile:
        here.invalid(internal(profile, "core.SeccompProfile"), "can only be set when seccomp type is Localhost")


def _validate_apparmor(profile: AppArmorProfile | None, problems: Problems) -> None:
    if profile is None:
        return
    if not profile.type:
        problems.at("type").required("type is required when appArmorProfile is set")
    elif profile.type not in PROFILE_TYPES:
        problems.at("type").not_supported(profile.type, PROFILE_TYPES)
    here, name = problems.at("localhostProfile"), profile.localhostProfile or ""
    if profile.type == "Localhost":
        if name.strip() != name:
            here.invalid(name, "must not be padded with whitespace")
        elif not name:
            here.required("must be set when AppArmor type is Localhost")
        if len(name) > LONGEST_PROFILE:
            here.too_long(LONGEST_PROFILE)
    elif name and profile.type in PROFILE_TYPES:
        here.invalid(name, "can only be set when AppArmor type is Localhost")


def _validate_sysctls(spec: PodSpec, problems: Problems) -> None:
    assert spec.securityContext is not None
    seen: set[str] = set()
    for index, sysctl in enumerate(spec.securityContext.sysctls):
        here = problems.at(index, "name")
        if not sysctl.name:
            here.required()
        elif len(sysctl.name) > SYSCTL_LIMIT or not re.fullmatch(SYSCTL, sysctl.name):
            here.invalid(sysctl.name, f"must have at most {SYSCTL_LIMIT} characters and match regex ^{SYSCTL}$")
        elif sysctl.name in seen:
            here.duplicate(sysctl.name)
        seen.add(sysctl.name)
        dotted = sysctl.name.replace("/", ".")
        if spec.hostNetwork and dotted.startswith("net."):
            here.invalid(sysctl.name, "may not be specified when 'hostNetwork' is true")
        if spec.hostIPC and IPC_SYSCTLS.fullmatch(dotted):
            here.invalid(sysctl.name, "may not be specified when 'hostIPC' is true")
