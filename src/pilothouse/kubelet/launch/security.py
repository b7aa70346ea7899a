"""CRI's security contexts from those of Pod and container. Pure.

- The container's own setting wins over the pod's.
- A container must not run as root when it says so: neither by number nor by a name that cannot be checked.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core_v1 import AppArmorProfile, Pod, PodSecurityContext, SeccompProfile, SecurityContext, SELinuxOptions
from pilothouse.kubelet.launch.errors import ConfigError
from pilothouse.kubelet.pods.spec import format_pod
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime.containers import ContainerSecurity
from pilothouse.kubelet.runtime.images import Image
from pilothouse.kubelet.runtime.sandboxes import NamespaceMode, Namespaces, SandboxSecurity, SecurityProfile, SELinux

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def namespaces(pod: Pod, target: str = "") -> Namespaces:
    """CRI's NamespaceOption. `target` is the id of the container whose processes an ephemeral container shares."""
    spec = pod.spec
    if spec.hostPID:
        pid = NamespaceMode.NODE
    elif spec.shareProcessNamespace:
        pid = NamespaceMode.POD
    else:
        pid = NamespaceMode.TARGET if target else NamespaceMode.CONTAINER
    return Namespaces(
        network=NamespaceMode.NODE if spec.hostNetwork else NamespaceMode.POD,
        pid=pid,
        ipc=NamespaceMode.NODE if spec.hostIPC else NamespaceMode.POD,
        target=target if pid is NamespaceMode.TARGET else "",
    )


def sandbox_security(pod: Pod, *, seccomp_root: str) -> SandboxSecurity:
    """CRI's security context of a pod sandbox. `seccomp_root` is the folder of local profiles."""
    own = pod.spec.securityContext or PodSecurityContext()
    containers = [*pod.spec.initContainers, *pod.spec.containers]
    privileged = any(container.securityContext is not None and container.securityContext.privileged for container in containers)
    return SandboxSecurity(
        namespaces=namespaces(pod),
        privileged=privileged,
        run_as_user=own.runAsUser,
        run_as_group=own.runAsGroup,
        supplemental_groups=_groups(own),
        supplemental_groups_policy=own.supplementalGroupsPolicy or "",
        # The pause process of every pod runs under the runtime's own filter.
        seccomp=_seccomp(own.seccompProfile, seccomp_root) or SecurityProfile("RuntimeDefault"),
        selinux=_selinux(own.seLinuxOptions),
        user_namespace=pod.spec.hostUsers is False,
    )


def _groups(own: PodSecurityContext) -> list[int]:
    return [*([own.fsGroup] if own.fsGroup is not None else []), *own.supplementalGroups]


def container_security(
    pod: Pod, container: AnyContainer, image: Image | None, *, seccomp_root: str, seccomp_default: bool = False, target: str = ""
) -> ContainerSecurity:
    """CRI's security context of a container. Raises ConfigError for runAsNonRoot with an image that runs as root."""
    whole = pod.spec.securityContext or PodSecurityContext()
    own = container.securityContext or SecurityContext()
    user = own.runAsUser if own.runAsUser is not None else whole.runAsUser
    username = ""
    if user is None and image is not None:
        user, username = image.user, image.username
    _check_not_root(pod, container, user, username)
    capabilities = own.capabilities
    seccomp = _seccomp(own.seccompProfile or whole.seccompProfile, seccomp_root)
    if seccomp is None and seccomp_default:
        seccomp = SecurityProfile("RuntimeDefault")
    unmasked = own.procMount == "Unmasked"
    return ContainerSecurity(
        namespaces=namespaces(pod, target),
        privileged=bool(own.privileged),
        run_as_user=user,
        run_as_username=username if user is None else "",
        run_as_group=own.runAsGroup if own.runAsGroup is not None else whole.runAsGroup,
        supplemental_groups=_groups(whole),
        supplemental_groups_policy=whole.supplementalGroupsPolicy or "",
        readonly_rootfs=bool(own.readOnlyRootFilesystem),
        no_new_privileges=own.allowPrivilegeEscalation is False,
        add_capabilities=_capabilities(capabilities.add if capabilities else ()),
        drop_capabilities=_capabilities(capabilities.drop if capabilities else ()),
        seccomp=SecurityProfile("Unconfined") if own.privileged else seccomp,
        apparmor=_apparmor(own.appArmorProfile or whole.appArmorProfile),
        selinux=_selinux(own.seLinuxOptions or whole.seLinuxOptions),
        masked_paths=() if unmasked else MASKED_PATHS,
        readonly_paths=() if unmasked else READONLY_PATHS,
    )


def _check_not_root(pod: Pod, container: AnyContainer, user: int | None, username: str) -> None:
    whole = pod.spec.securityContext or PodSecurityContext()
    own = container.securityContext or SecurityContext()
    wanted = own.runAsNonRoot if own.runAsNonRoot is not None else whole.runAsNonRoot
    if not wanted:
        return
    explicit = own.runAsUser if own.runAsUser is not None else whole.runAsUser
    where = f'(pod: "{format_pod(pod)}", container: {container.name})'
    if explicit is not None:
        if explicit == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    if user == 0 or (user is None and not username):
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    if username:
        message = f"container has runAsNonRoot and image has non-numeric user ({username}), cannot verify user is non-root {where}"
        raise ConfigError(message)


def _capabilities(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.upper().removeprefix("CAP_") for name in names)


def _apparmor(profile: AppArmorProfile | None) -> SecurityProfile | None:
    """None: what the runtime does by itself."""
    return None if profile is None else SecurityProfile(profile.type, profile.localhostProfile or "")


def _seccomp(profile: SeccompProfile | None, root: str) -> SecurityProfile | None:
    if profile is None:
        return None
    if profile.type == "Localhost":
        return SecurityProfile("Localhost", f"{root}/{profile.localhostProfile}")
    return SecurityProfile(profile.type)


def _selinux(options: SELinuxOptions | None) -> SELinux | None:
    return None if options is None else SELinux(options.user, options.role, options.type, options.level)
