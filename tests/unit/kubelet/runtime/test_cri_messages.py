from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cri_api.v1 import api_pb2

from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.runtime import cri_messages
from pilothouse.kubelet.runtime.containers import ContainerConfig, ContainerSecurity, Mount, Propagation
from pilothouse.kubelet.runtime.cri import CriRuntime
from pilothouse.kubelet.runtime.images import Image
from pilothouse.kubelet.runtime.port import RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import (
    DnsConfig,
    NamespaceMode,
    Namespaces,
    PortMapping,
    Resources,
    SandboxConfig,
    SandboxSecurity,
    SecurityProfile,
)

pb: Any = api_pb2


def test_a_sandbox_is_described_in_full() -> None:
    message = cri_messages.to_sandbox_config(
        SandboxConfig(
            "web",
            "uid-1",
            "default",
            2,
            "web-host",
            "/logs",
            DnsConfig(("10.0.0.10",), ("svc.cluster.local",), ("ndots:5",)),
            (PortMapping(80, 8080, "UDP"),),
            {"app": "web"},
            {},
            "/kubepods/pod1",
            SandboxSecurity(Namespaces(NamespaceMode.NODE), run_as_user=0, seccomp=SecurityProfile("RuntimeDefault")),
            {"net.core.somaxconn": "1"},
        )
    )
    assert (message.metadata.name, message.metadata.uid, message.metadata.attempt) == ("web", "uid-1", 2)
    assert message.linux.security_context.namespace_options.network == pb.NODE
    assert message.linux.security_context.run_as_user.value == 0, "root is a wish, not the absence of one"
    assert message.linux.security_context.seccomp.profile_type == pb.SecurityProfile.RuntimeDefault
    assert (message.port_mappings[0].host_port, message.port_mappings[0].protocol) == (8080, pb.UDP)
    assert list(message.dns_config.searches) == ["svc.cluster.local"]
    assert dict(message.linux.sysctls) == {"net.core.somaxconn": "1"}


def test_no_dns_leaves_it_to_the_runtime() -> None:
    assert not cri_messages.to_sandbox_config(SandboxConfig("a", "b", "c")).HasField("dns_config")


def test_a_container_is_described_in_full() -> None:
    message = cri_messages.to_container_config(
        ContainerConfig(
            "main",
            "sha256:1",
            command=("sh",),
            args=("-c", "true"),
            env=(("A", "1"),),
            mounts=(Mount("/data", "/host", True, Propagation.HOST_TO_CONTAINER),),
            log_path="main/0.log",
            resources=Resources(cpu_shares=512, memory_limit=1 << 20, oom_score_adj=900),
            security=ContainerSecurity(add_capabilities=("NET_ADMIN",), no_new_privileges=True),
        )
    )
    assert (list(message.command), list(message.args), message.envs[0].key) == (["sh"], ["-c", "true"], "A")
    assert (message.mounts[0].readonly, message.mounts[0].propagation) == (True, pb.PROPAGATION_HOST_TO_CONTAINER)
    assert (message.linux.resources.cpu_shares, message.linux.resources.oom_score_adj) == (512, 900)
    assert list(message.linux.security_context.capabilities.add_capabilities) == ["NET_ADMIN"]
    assert not message.linux.security_context.HasField("run_as_user")


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(None, list(cri_messages.DEFAULT_MASKED_PATHS), id="unsaid: the default"),
        pytest.param((), [], id="procMount Unmasked"),
    ],
)
def test_masked_paths_are_always_said(paths: tuple[str, ...] | None, expected: list[str]) -> None:
    message = cri_messages.to_container_security(ContainerSecurity(masked_paths=paths))
    assert list(message.masked_paths) == expected


@pytest.mark.parametrize(
    ("tag", "pinned"), [("pilothouse.local/busybox:1", True), ("registry.example/busybox:1", False)], ids=["made here", "pulled"]
)
def test_images_made_here_are_never_collected(tag: str, pinned: bool) -> None:
    found = cri_messages.from_image(pb.Image(id="sha256:1", repo_tags=[tag], size=5, uid=pb.Int64Value(value=0)))
    assert found == Image("sha256:1", (tag,), (), 5, 0, "", pinned)


@pytest.mark.parametrize(("nanoseconds", "expected"), [(0, 0.0), (-62135596800000000000, 0.0), (1_500_000_000, 1.5)])
def test_moments(nanoseconds: int, expected: float) -> None:
    assert cri_messages.seconds(nanoseconds) == expected


def test_every_name_of_an_enum_is_known_to_both_sides() -> None:
    for mode in NamespaceMode:
        assert pb.NamespaceMode.Value(mode.value) >= 0
    for propagation in Propagation:
        assert pb.MountPropagation.Value(propagation.value) >= 0


async def test_a_user_namespace_is_refused_for_it_would_not_be_there(tmp_path: Path) -> None:
    runtime = CriRuntime(str(tmp_path / "none.sock"), SystemClock())
    with pytest.raises(RuntimeFailure) as error:
        await runtime.run_pod_sandbox(SandboxConfig("web", "u-1", "default", security=SandboxSecurity(user_namespace=True)))
    assert error.value.status_text == 'the handler "" is not known'
    await runtime.close()
