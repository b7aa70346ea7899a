"""The baseline standard of Pod security."""

from __future__ import annotations

import json
from typing import Any

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import PodSpec, SELinuxOptions
from pilothouse.apiserver.admission.podsecurity.check import (
    Check,
    Finding,
    Run,
    container_names,
    containers,
    contexts,
    number,
    quoted,
    setters,
)
from pilothouse.machinery.meta_v1 import ObjectMeta

CAPABILITIES = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP",
    "SETUID", "SYS_CHROOT",
))  # fmt: skip
SYSCTLS_1_0 = frozenset((
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range",
    "net.ipv4.tcp_syncookies",
))  # fmt: skip
SYSCTLS_1_27 = SYSCTLS_1_0 | {"net.ipv4.ip_local_reserved_ports"}
SYSCTLS_1_29 = SYSCTLS_1_27 | {
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
}  # fmt: skip
SYSCTLS_1_32 = SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
SELINUX_1_0 = frozenset(("", "container_init_t", "container_kvm_t", "container_t"))
SELINUX_1_31 = SELINUX_1_0 | {"container_engine_t"}
PROFILES = frozenset(("Localhost", "RuntimeDefault"))


def apparmor_profiles(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """AppArmor profiles other than RuntimeDefault and Localhost, in fields or annotations. Upstream: check_appArmorProfile."""
    wrong: list[str] = []
    values: set[str] = set()
    of_pod = spec.securityContext.appArmorProfile if spec.securityContext is not None else None
    if of_pod is not None and of_pod.type not in PROFILES:
        wrong.append("pod")
        values.add(of_pod.type)
    for name, context in contexts(spec):
        if context.appArmorProfile is not None and context.appArmorProfile.type not in PROFILES:
            wrong.append(f'container "{name}"')
            values.add(context.appArmorProfile.type)
    annotations = sorted(
        f"{key}={json.dumps(value)}"
        for key, value in meta.annotations.items()
        if key.startswith(wellknown.APPARMOR_CONTAINER_PREFIX)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    )
    if annotations:
        wrong.append(number("annotation", "annotations", len(annotations)))
    if not wrong:
        return None
    told = [*sorted(values), *annotations]
    reason = number("forbidden AppArmor profile", "forbidden AppArmor profiles", len(told))
    return Finding(reason, f"{' and '.join(wrong)} must not set AppArmor profile type to {quoted(told)}")


def added_capabilities(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Added capabilities outside the default set. Upstream: check_capabilities_baseline."""
    added = {name: set(context.capabilities.add) - CAPABILITIES for name, context in contexts(spec) if context.capabilities is not None}
    wrong = [name for name, capabilities in added.items() if capabilities]
    if not wrong:
        return None
    told = quoted(sorted(set().union(*added.values())))
    return Finding("non-default capabilities", f"{container_names(wrong)} must not include {told} in securityContext.capabilities.add")


def host_namespaces(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Sharing of the host's network, PID or IPC namespace. Upstream: check_hostNamespaces."""
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if getattr(spec, field)]
    return Finding("host namespaces", ", ".join(shared)) if shared else None


def host_paths(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Volumes of type hostPath. Upstream: check_hostPathVolumes."""
    wrong = [volume.name for volume in spec.volumes if volume.hostPath is not None]
    return Finding("hostPath volumes", f"{number('volume', 'volumes', len(wrong))} {quoted(wrong)}") if wrong else None


def host_ports(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Container ports with a hostPort. Upstream: check_hostPorts."""
    used = {container.name: {str(port.hostPort) for port in container.ports if port.hostPort} for container in containers(spec)}
    wrong = [name for name, ports in used.items() if ports]
    if not wrong:
        return None
    told = sorted(set().union(*used.values()))
    uses = number("uses", "use", len(wrong))
    return Finding("hostPort", f"{container_names(wrong)} {uses} {number('hostPort', 'hostPorts', len(told))} {', '.join(told)}")


def probed_hosts(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """A probe or hook that asks another host than the pod makes the kubelet ask for it."""
    asked = {container.name: hosts for container in containers(spec) if (hosts := _hosts(container))}
    if not asked:
        return None
    told = sorted(set().union(*asked.values()))
    noun = number("probe or lifecycle host", "probe or lifecycle hosts", len(told))
    return Finding("probe or lifecycle host", f"{container_names(sorted(asked))} {number('uses', 'use', len(asked))} {noun} {quoted(told)}")


def _hosts(container: Any) -> set[str]:
    hooks = [container.lifecycle.postStart, container.lifecycle.preStop] if container.lifecycle is not None else []
    handlers = [container.livenessProbe, container.readinessProbe, container.startupProbe, *hooks]
    asked = [how for handler in handlers if handler is not None for how in (handler.httpGet, handler.tcpSocket)]
    return {action.host for action in asked if action is not None and action.host}


def privileged(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Privileged containers. Upstream: check_privileged."""
    wrong = [name for name, context in contexts(spec) if context.privileged]
    return Finding("privileged", f"{container_names(wrong)} must not set securityContext.privileged=true") if wrong else None


def proc_mounts(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """A procMount other than Default. Upstream: check_procMount."""
    wrong = {name: context.procMount for name, context in contexts(spec) if context.procMount and context.procMount != "Default"}
    if not wrong:
        return None
    return Finding(
        "procMount", f"{container_names(list(wrong))} must not set securityContext.procMount to {quoted(sorted(set(wrong.values())))}"
    )


def selinux_options(allowed: frozenset[str]) -> Run:
    """A check of SELinux options: types outside `allowed`, and any user or role. Upstream: check_seLinuxOptions."""

    def check(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
        of_pod = spec.securityContext.seLinuxOptions if spec.securityContext is not None else None
        of_containers = {name: context.seLinuxOptions for name, context in contexts(spec) if context.seLinuxOptions is not None}
        wrong = [name for name, options in of_containers.items() if _is_wrong(options, allowed)]
        pod_is_wrong = of_pod is not None and _is_wrong(of_pod, allowed)
        if not wrong and not pod_is_wrong:
            return None
        given = [options for options in (of_pod, *of_containers.values()) if options is not None]
        types = sorted({options.type for options in given} - allowed)
        told = [f"{number('type', 'types', len(types))} {quoted(types)}"] if types else []
        told += [f"{field} may not be set" for field in ("user", "role") if any(getattr(options, field) for options in given)]
        detail = f"{setters(pod_is_wrong, wrong)} set forbidden securityContext.seLinuxOptions: {'; '.join(told)}"
        return Finding("seLinuxOptions", detail)

    return check


def _is_wrong(options: SELinuxOptions, allowed: frozenset[str]) -> bool:
    return options.type not in allowed or bool(options.user or options.role)


def seccomp_annotations(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Seccomp profiles in annotations, from before the field existed."""
    keys = {wellknown.SECCOMP_POD, *(wellknown.SECCOMP_CONTAINER_PREFIX + container.name for container in containers(spec))}
    wrong = sorted(f"{key}={json.dumps(value)}" for key, value in meta.annotations.items() if key in keys and not _is_known(value))
    return Finding("seccompProfile", f"forbidden {number('annotation', 'annotations', len(wrong))} {', '.join(wrong)}") if wrong else None


def _is_known(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def seccomp_profiles(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Seccomp profiles other than RuntimeDefault and Localhost, in fields. Upstream: check_seccompProfile_baseline."""
    of_pod = spec.securityContext.seccompProfile if spec.securityContext is not None else None
    wrong = {name: context.seccompProfile.type for name, context in contexts(spec) if context.seccompProfile is not None}
    wrong = {name: type for name, type in wrong.items() if type not in PROFILES}
    pod_is_wrong = of_pod is not None and of_pod.type not in PROFILES
    if not wrong and not pod_is_wrong:
        return None
    types = {*wrong.values(), *({of_pod.type} if of_pod is not None and pod_is_wrong else ())}
    text = f"{setters(pod_is_wrong, list(wrong))} must not set securityContext.seccompProfile.type to {quoted(sorted(types))}"
    return Finding("seccompProfile", text)


def sysctls(allowed: frozenset[str]) -> Run:
    """A check of the pod's sysctls: names outside `allowed`. Upstream: check_sysctls."""

    def check(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
        set_ = spec.securityContext.sysctls if spec.securityContext is not None else []
        wrong = [sysctl.name for sysctl in set_ if sysctl.name not in allowed]
        return Finding("forbidden sysctls", ", ".join(wrong)) if wrong else None

    return check


def host_processes(meta: ObjectMeta, spec: PodSpec) -> Finding | None:
    """Windows containers that run as host processes. Upstream: check_windowsHostProcess."""
    wrong = [name for name, context in contexts(spec) if _is_host(context)]
    of_pod = _is_host(spec.securityContext)
    if not wrong and not of_pod:
        return None
    return Finding("hostProcess", f"{setters(of_pod, wrong)} must not set securityContext.windowsOptions.hostProcess=true")


def _is_host(context: Any) -> bool:
    return context is not None and context.windowsOptions is not None and bool(context.windowsOptions.hostProcess)


CAPABILITIES_BASELINE = Check(((0, added_capabilities),))
HOST_PATHS = Check(((0, host_paths),))
SECCOMP_BASELINE = Check(((0, seccomp_annotations), (19, seccomp_profiles)))

BASELINE = (
    Check(((0, apparmor_profiles),)),
    CAPABILITIES_BASELINE,
    Check(((0, host_namespaces),)),
    HOST_PATHS,
    Check(((0, host_ports),)),
    Check(((34, probed_hosts),)),
    Check(((0, privileged),)),
    Check(((0, proc_mounts),)),
    Check(((0, selinux_options(SELINUX_1_0)), (31, selinux_options(SELINUX_1_31)))),
    SECCOMP_BASELINE,
    Check(((0, sysctls(SYSCTLS_1_0)), (27, sysctls(SYSCTLS_1_27)), (29, sysctls(SYSCTLS_1_29)), (32, sysctls(SYSCTLS_1_32)))),
    Check(((0, host_processes),)),
)
"""In upstream's order, in which findings are told."""
