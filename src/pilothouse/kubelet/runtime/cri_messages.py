"""Translation between the interface's dataclasses and CRI's protobuf messages. Pure.

`to_*` makes messages, `from_*` reads them. Names of enums are the same on both sides, so they translate by name.
"""

from __future__ import annotations

from typing import Any

from cri_api.v1 import api_pb2

from pilothouse.kubelet.runtime.containers import (
    Container,
    ContainerConfig,
    ContainerSecurity,
    ContainerState,
    ContainerStats,
    ContainerStatus,
    Mount,
    Propagation,
)
from pilothouse.kubelet.runtime.images import Credentials, FilesystemUsage, Image
from pilothouse.kubelet.runtime.sandboxes import (
    NamespaceMode,
    Namespaces,
    Resources,
    Sandbox,
    SandboxConfig,
    SandboxSecurity,
    SandboxState,
    SandboxStatus,
    SecurityProfile,
    SELinux,
)

pb: Any = api_pb2

NANOSECONDS = 1_000_000_000
LOCAL_IMAGES = "pilothouse.local/"
"""Images made on this machine, which no registry could give back: never to be collected."""


def to_sandbox_config(config: SandboxConfig) -> Any:
    """A PodSandboxConfig message."""
    message = pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(name=config.name, uid=config.uid, namespace=config.namespace, attempt=config.attempt),
        hostname=config.hostname,
        log_directory=config.log_directory,
        port_mappings=[
            pb.PortMapping(
                protocol=pb.Protocol.Value(port.protocol),
                container_port=port.container_port,
                host_port=port.host_port,
                host_ip=port.host_ip,
            )
            for port in config.ports
        ],
        labels=dict(config.labels),
        annotations=dict(config.annotations),
        linux=pb.LinuxPodSandboxConfig(
            cgroup_parent=config.cgroup_parent,
            security_context=to_sandbox_security(config.security),
            sysctls=dict(config.sysctls),
            overhead=to_resources(config.overhead) if config.overhead else None,
            resources=to_resources(config.resources) if config.resources else None,
        ),
    )
    if config.dns is not None:
        message.dns_config.CopyFrom(pb.DNSConfig(servers=config.dns.servers, searches=config.dns.searches, options=config.dns.options))
    return message


def to_sandbox_security(security: SandboxSecurity) -> Any:
    """A LinuxSandboxSecurityContext message."""
    return pb.LinuxSandboxSecurityContext(
        namespace_options=to_namespaces(security.namespaces),
        selinux_options=to_selinux(security.selinux),
        run_as_user=to_integer(security.run_as_user),
        run_as_group=to_integer(security.run_as_group),
        readonly_rootfs=security.readonly_rootfs,
        supplemental_groups=security.supplemental_groups,
        supplemental_groups_policy=pb.SupplementalGroupsPolicy.Value(security.supplemental_groups_policy or "Merge"),
        privileged=security.privileged,
        seccomp=to_profile(security.seccomp),
        apparmor=to_profile(security.apparmor),
    )


def to_container_config(config: ContainerConfig) -> Any:
    """A ContainerConfig message."""
    return pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=config.name, attempt=config.attempt),
        image=pb.ImageSpec(image=config.image, user_specified_image=config.user_image),
        command=config.command,
        args=config.args,
        working_dir=config.working_dir,
        envs=[pb.KeyValue(key=key, value=value) for key, value in config.env],
        mounts=[to_mount(mount) for mount in config.mounts],
        devices=[
            pb.Device(container_path=device.container_path, host_path=device.host_path, permissions=device.permissions)
            for device in config.devices
        ],
        labels=dict(config.labels),
        annotations=dict(config.annotations),
        log_path=config.log_path,
        stdin=config.stdin,
        stdin_once=config.stdin_once,
        tty=config.tty,
        linux=pb.LinuxContainerConfig(resources=to_resources(config.resources), security_context=to_container_security(config.security)),
    )


def to_container_security(security: ContainerSecurity) -> Any:
    """A LinuxContainerSecurityContext message; paths that are not set get the runtime's defaults."""
    return pb.LinuxContainerSecurityContext(
        capabilities=pb.Capability(add_capabilities=security.add_capabilities, drop_capabilities=security.drop_capabilities),
        privileged=security.privileged,
        namespace_options=to_namespaces(security.namespaces),
        selinux_options=to_selinux(security.selinux),
        run_as_user=to_integer(security.run_as_user),
        run_as_group=to_integer(security.run_as_group),
        run_as_username=security.run_as_username,
        readonly_rootfs=security.readonly_rootfs,
        supplemental_groups=security.supplemental_groups,
        supplemental_groups_policy=pb.SupplementalGroupsPolicy.Value(security.supplemental_groups_policy or "Merge"),
        no_new_privs=security.no_new_privileges,
        masked_paths=DEFAULT_MASKED_PATHS if security.masked_paths is None else security.masked_paths,
        readonly_paths=DEFAULT_READONLY_PATHS if security.readonly_paths is None else security.readonly_paths,
        seccomp=to_profile(security.seccomp),
        apparmor=to_profile(security.apparmor),
    )


DEFAULT_MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
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
"""What procMount Default hides: the kubelet sends it, a runtime given nothing hides nothing."""

DEFAULT_READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def to_namespaces(namespaces: Namespaces) -> Any:
    """A NamespaceOption message."""
    return pb.NamespaceOption(
        network=pb.NamespaceMode.Value(namespaces.network.value),
        pid=pb.NamespaceMode.Value(namespaces.pid.value),
        ipc=pb.NamespaceMode.Value(namespaces.ipc.value),
        target_id=namespaces.target,
    )


def to_selinux(options: SELinux | None) -> Any:
    """An SELinuxOption message, None when unset."""
    if options is None:
        return None
    return pb.SELinuxOption(user=options.user, role=options.role, type=options.type, level=options.level)


def to_profile(profile: SecurityProfile | None) -> Any:
    """A SecurityProfile message, None when unset."""
    if profile is None:
        return None
    kind = pb.SecurityProfile.ProfileType.Value(profile.kind)
    return pb.SecurityProfile(profile_type=kind, localhost_ref=profile.path)


def to_resources(resources: Resources) -> Any:
    """A LinuxContainerResources message."""
    return pb.LinuxContainerResources(
        cpu_period=resources.cpu_period,
        cpu_quota=resources.cpu_quota,
        cpu_shares=resources.cpu_shares,
        memory_limit_in_bytes=resources.memory_limit,
        memory_swap_limit_in_bytes=resources.memory_swap_limit,
        oom_score_adj=resources.oom_score_adj,
        cpuset_cpus=resources.cpuset_cpus,
        cpuset_mems=resources.cpuset_mems,
        hugepage_limits=[pb.HugepageLimit(page_size=size, limit=limit) for size, limit in resources.hugepages.items()],
        unified=dict(resources.unified),
    )


def to_mount(mount: Mount) -> Any:
    """A Mount message."""
    return pb.Mount(
        container_path=mount.container_path,
        host_path=mount.host_path,
        readonly=mount.readonly,
        selinux_relabel=mount.selinux_relabel,
        propagation=pb.MountPropagation.Value(mount.propagation.value),
    )


def to_integer(value: int | None) -> Any:
    """An Int64Value message, None when unset."""
    return None if value is None else pb.Int64Value(value=value)


def to_credentials(credentials: Credentials) -> Any:
    """An AuthConfig message."""
    return pb.AuthConfig(
        username=credentials.username,
        password=credentials.password,
        auth=credentials.auth,
        identity_token=credentials.identity_token,
        registry_token=credentials.registry_token,
    )


def from_sandbox(message: Any) -> Sandbox:
    """A Sandbox from a PodSandbox or PodSandboxStatus message."""
    return Sandbox(
        id=message.id,
        name=message.metadata.name,
        uid=message.metadata.uid,
        namespace=message.metadata.namespace,
        attempt=message.metadata.attempt,
        state=SandboxState(pb.PodSandboxState.Name(message.state)),
        created_at=seconds(message.created_at),
        labels=dict(message.labels),
        annotations=dict(message.annotations),
        runtime_handler=message.runtime_handler,
    )


def from_sandbox_status(message: Any) -> SandboxStatus:
    """A SandboxStatus from a PodSandboxStatus message."""
    first = (message.network.ip,) if message.network.ip else ()
    options = message.linux.namespaces.options
    return SandboxStatus(
        sandbox=from_sandbox(message),
        ips=(*first, *(further.ip for further in message.network.additional_ips)),
        namespaces=Namespaces(network=_mode(options.network), pid=_mode(options.pid), ipc=_mode(options.ipc), target=options.target_id),
    )


def from_container(message: Any) -> Container:
    """A Container from its message."""
    return Container(
        id=message.id,
        sandbox_id=message.pod_sandbox_id,
        name=message.metadata.name,
        attempt=message.metadata.attempt,
        state=ContainerState(pb.ContainerState.Name(message.state)),
        created_at=seconds(message.created_at),
        image=message.image.image,
        image_id=message.image_ref,
        labels=dict(message.labels),
        annotations=dict(message.annotations),
    )


def from_container_status(message: Any, sandbox_id: str = "", pid: int = 0) -> ContainerStatus:
    """A ContainerStatus from its message; sandbox and process id come from the verbose answer."""
    container = Container(
        id=message.id,
        sandbox_id=sandbox_id,
        name=message.metadata.name,
        attempt=message.metadata.attempt,
        state=ContainerState(pb.ContainerState.Name(message.state)),
        created_at=seconds(message.created_at),
        image=message.image.image,
        image_id=message.image_ref,
        labels=dict(message.labels),
        annotations=dict(message.annotations),
    )
    started_at, finished_at = seconds(message.started_at), seconds(message.finished_at)
    return ContainerStatus(
        container=container,
        started_at=started_at,
        # containerd notes the start when it has returned: one that ended at once would have ended before
        finished_at=max(started_at, finished_at) if finished_at else 0.0,
        exit_code=message.exit_code,
        reason=message.reason,
        message=message.message,
        log_path=message.log_path,
        mounts=[from_mount(mount) for mount in message.mounts],
        pid=pid,
    )


def from_mount(message: Any) -> Mount:
    """A Mount from its message."""
    return Mount(
        container_path=message.container_path,
        host_path=message.host_path,
        readonly=message.readonly,
        propagation=Propagation(pb.MountPropagation.Name(message.propagation)),
        selinux_relabel=message.selinux_relabel,
    )


def from_image(message: Any) -> Image:
    """An Image from its message; images that were made locally count as pinned."""
    return Image(
        id=message.id,
        tags=tuple(message.repo_tags),
        digests=tuple(message.repo_digests),
        size=message.size,
        user=message.uid.value if message.HasField("uid") else None,
        username=message.username,
        pinned=message.pinned or any(tag.startswith(LOCAL_IMAGES) for tag in message.repo_tags),
    )


def from_stats(message: Any) -> ContainerStats:
    """ContainerStats from its message."""
    attributes = message.attributes
    container = Container(
        id=attributes.id,
        sandbox_id="",
        name=attributes.metadata.name,
        attempt=attributes.metadata.attempt,
        state=ContainerState.RUNNING,
        created_at=0.0,
        labels=dict(attributes.labels),
        annotations=dict(attributes.annotations),
    )
    return ContainerStats(
        container=container,
        timestamp=seconds(message.cpu.timestamp),
        cpu_usage_nanoseconds=message.cpu.usage_core_nano_seconds.value,
        memory_working_set=message.memory.working_set_bytes.value,
        memory_usage=message.memory.usage_bytes.value,
        memory_rss=message.memory.rss_bytes.value,
        filesystem_used=message.writable_layer.used_bytes.value,
        filesystem_inodes=message.writable_layer.inodes_used.value,
    )


def from_filesystem(message: Any) -> FilesystemUsage:
    """A FilesystemUsage from its message."""
    return FilesystemUsage(mountpoint=message.fs_id.mountpoint, used=message.used_bytes.value, inodes_used=message.inodes_used.value)


def seconds(nanoseconds: int) -> float:
    """Seconds from CRI's nanoseconds; 0.0 for an unset time."""
    return nanoseconds / NANOSECONDS if nanoseconds > 0 else 0.0


def _mode(value: int) -> NamespaceMode:
    return NamespaceMode(pb.NamespaceMode.Name(value))
