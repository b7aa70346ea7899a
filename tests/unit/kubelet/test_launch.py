"""From a pod's spec to what the runtime is given: tables of pure functions."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    AppArmorProfile,
    Capabilities,
    ConfigMap,
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    ConfigMapVolumeSource,
    Container,
    ContainerPort,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    HostAlias,
    ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource,
    Pod,
    PodDNSConfig,
    PodDNSConfigOption,
    PodSecurityContext,
    PodSpec,
    ProjectedVolumeSource,
    ResourceFieldSelector,
    ResourceRequirements,
    Secret,
    SecretEnvSource,
    SecretKeySelector,
    SecretVolumeSource,
    SecurityContext,
    Service,
    ServicePort,
    ServiceSpec,
    Volume,
    VolumeMount,
)
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import Machine
from pilothouse.kubelet.host.simulated import SimulatedHost
from pilothouse.kubelet.images.credentials import credentials_for
from pilothouse.kubelet.images.references import InvalidReference, parse, with_default_tag
from pilothouse.kubelet.launch.environment import EnvironmentContext, environment
from pilothouse.kubelet.launch.errors import ConfigError
from pilothouse.kubelet.launch.expansion import expand
from pilothouse.kubelet.launch.fields import field_value, go_duration, resource_value
from pilothouse.kubelet.launch.mounts import container_mounts
from pilothouse.kubelet.launch.naming import dns_config, dns_warnings, hostname, hosts_file, parse_resolv_conf
from pilothouse.kubelet.launch.resources import cgroup_path, container_resources, pod_cgroup, quota, shares
from pilothouse.kubelet.launch.sandbox import sandbox_config
from pilothouse.kubelet.launch.security import container_security
from pilothouse.kubelet.launch.services import service_environment
from pilothouse.kubelet.paths import Paths
from pilothouse.kubelet.pods.amounts import pod_requests
from pilothouse.kubelet.pods.qos import oom_score, qos_class
from pilothouse.kubelet.runtime.images import Image
from pilothouse.kubelet.runtime.sandboxes import DnsConfig, NamespaceMode, SecurityProfile
from pilothouse.machinery.errors import not_found
from pilothouse.machinery.meta_v1 import ObjectMeta

GIBIBYTE = 1 << 30


def pod(*containers: Container, labels: dict[str, str] | None = None, **spec: Any) -> Pod:
    meta = ObjectMeta(name="web", namespace="shop", uid="u-1", labels=labels or {})
    return Pod(metadata=meta, spec=PodSpec(containers=list(containers) or [Container(name="app", image="i")], **spec))


def resources(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None) -> ResourceRequirements:
    return ResourceRequirements(requests=dict(requests or {}), limits=dict(limits or {}))


def with_resources(*each: ResourceRequirements, **spec: Any) -> Pod:
    return pod(*(Container(name=f"c{place}", image="i", resources=one) for place, one in enumerate(each)), **spec)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)", "one"),
        ("$(A)$(B)", "onetwo"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$one"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("end$", "end$"),
        ("$()", "$()"),
        ("a-$(A)-$(C)-$$-z", "a-one-$(C)-$-z"),
    ],
)
def test_references_are_expanded(text: str, expected: str) -> None:
    assert expand(text, {"A": "one", "B": "two"}) == expected


class FakeObjects:
    """ConfigMaps and Secrets by name."""

    def __init__(self, *found: ConfigMap | Secret) -> None:
        self._found = {(type(one), one.metadata.name): one for one in found}

    async def get(self, kind: type[Any], namespace: str, name: str) -> Any:
        if (kind, name) not in self._found:
            raise not_found(kind.__name__.lower(), "", name)
        return self._found[kind, name]


OBJECTS = FakeObjects(
    ConfigMap(metadata=ObjectMeta(name="settings"), data={"a": "1", "b": "$(X)"}),
    Secret(metadata=ObjectMeta(name="keys"), data={"k": "c2VjcmV0"}),
)


def of(**source: Any) -> EnvVarSource:
    return EnvVarSource(**source)


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param({"env": [EnvVar(name="A", value="1"), EnvVar(name="B", value="$(A)2")]}, {"A": "1", "B": "12"}, id="in order"),
        pytest.param({"env": [EnvVar(name="B", value="$(A)"), EnvVar(name="A", value="1")]}, {"B": "$(A)", "A": "1"}, id="not ahead"),
        pytest.param(
            {"envFrom": [EnvFromSource(prefix="P_", configMapRef=ConfigMapEnvSource(name="settings"))]},
            {"P_a": "1", "P_b": "$(X)"},
            id="a whole ConfigMap, unexpanded",
        ),
        pytest.param({"envFrom": [EnvFromSource(secretRef=SecretEnvSource(name="keys"))]}, {"k": "secret"}, id="a whole Secret"),
        pytest.param({"envFrom": [EnvFromSource(secretRef=SecretEnvSource(name="no", optional=True))]}, {}, id="optional and missing"),
        pytest.param(
            {
                "envFrom": [EnvFromSource(configMapRef=ConfigMapEnvSource(name="settings"))],
                "env": [EnvVar(name="a", value="own")],
            },
            {"a": "own", "b": "$(X)"},
            id="env wins over envFrom",
        ),
        pytest.param(
            {"env": [EnvVar(name="A", valueFrom=of(secretKeyRef=SecretKeySelector(name="keys", key="k")))]}, {"A": "secret"}, id="a key"
        ),
        pytest.param(
            {"env": [EnvVar(name="A", valueFrom=of(configMapKeyRef=ConfigMapKeySelector(name="settings", key="z", optional=True)))]},
            {},
            id="an optional key",
        ),
        pytest.param(
            {"env": [EnvVar(name="A", valueFrom=of(fieldRef=ObjectFieldSelector(fieldPath="status.podIP")))]},
            {"A": "10.1.1.1"},
            id="a field",
        ),
        pytest.param(
            {
                "resources": resources(limits={"cpu": "1500m", "memory": "64Mi"}),
                "env": [
                    EnvVar(name="C", valueFrom=of(resourceFieldRef=ResourceFieldSelector(resource="limits.cpu"))),
                    EnvVar(name="M", valueFrom=of(resourceFieldRef=ResourceFieldSelector(resource="limits.memory", divisor="1Mi"))),
                ],
            },
            {"C": "2", "M": "64"},
            id="resources, rounded up",
        ),
    ],
)
async def test_the_environment(container: dict[str, Any], expected: dict[str, str]) -> None:
    one = Container(name="app", image="i", **container)
    assert await environment(pod(one), one, OBJECTS, EnvironmentContext(pod_ips=("10.1.1.1",))) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(of(configMapKeyRef=ConfigMapKeySelector(name="no", key="a")), 'configmap "no" not found', id="no object"),
        pytest.param(
            of(configMapKeyRef=ConfigMapKeySelector(name="settings", key="z")),
            "couldn't find key z in ConfigMap shop/settings",
            id="no key",
        ),
        pytest.param(
            of(secretKeyRef=SecretKeySelector(name="keys", key="z")), "couldn't find key z in Secret shop/keys", id="no secret key"
        ),
    ],
)
async def test_what_the_environment_misses(source: EnvVarSource, message: str) -> None:
    one = Container(name="app", image="i", env=[EnvVar(name="A", valueFrom=source)])
    with pytest.raises(ConfigError) as error:
        await environment(pod(one), one, OBJECTS, EnvironmentContext())
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "shop"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "x"),
        ("metadata.labels", 'app="x"\ntier="a\\"b"'),
        ("status.hostIP", "10.0.0.1"),
        ("status.podIPs", "10.1.1.1,fd00::1"),
    ],
)
def test_fields(path: str, expected: str) -> None:
    one = pod(labels={"tier": 'a"b', "app": "x"})
    assert field_value(one, path, host_ips=("10.0.0.1",), pod_ips=("10.1.1.1", "fd00::1")) == expected


@pytest.mark.parametrize(
    ("name", "own", "shared", "expected"),
    [
        pytest.param("limits.memory", resources(None, {"memory": "1Gi"}), resources(None, {"memory": "2Gi"}), "1024", id="its own limit"),
        pytest.param("limits.memory", resources(), resources(None, {"memory": "2Gi"}), "2048", id="the pod's limit"),
        pytest.param("limits.memory", resources(), resources({"memory": "2Gi"}), "8192", id="what the node has"),
        pytest.param("requests.memory", resources({"memory": "1Gi"}), None, "1024", id="its own request"),
        pytest.param("requests.memory", resources(None, {"memory": "1Gi"}), None, "1024", id="its limit is its request"),
        pytest.param("requests.memory", resources(), resources({"memory": "2Gi"}), "0", id="no request"),
    ],
)
def test_amounts(name: str, own: ResourceRequirements, shared: ResourceRequirements | None, expected: str) -> None:
    wanted = with_resources(own, resources=shared)
    selector = ResourceFieldSelector(resource=name, divisor="1Mi")
    assert resource_value(wanted, selector, wanted.spec.containers[0], {"memory": "8Gi"}) == expected


def service(name: str, namespace: str, ip: str, *ports: tuple[str, int]) -> Service:
    spec = ServiceSpec(clusterIP=ip, ports=[ServicePort(name=text, port=number, protocol="TCP") for text, number in ports])
    return Service(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)


def test_services_are_told_by_variables() -> None:
    services = [
        service("kubernetes", "default", "10.96.0.1", ("https", 443)),
        service("red-is", "shop", "10.96.0.9", ("", 6379)),
        service("headless", "shop", "None", ("", 1)),
        service("other", "elsewhere", "10.96.0.8", ("", 1)),
    ]
    found = service_environment(pod(), services)
    assert found["RED_IS_SERVICE_HOST"] == "10.96.0.9"
    assert found["RED_IS_PORT_6379_TCP"] == "tcp://10.96.0.9:6379"
    assert found["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert not [name for name in found if name.startswith(("OTHER", "HEADLESS"))]
    assert "RED_IS_SERVICE_HOST" not in service_environment(pod(enableServiceLinks=False), services)


# Names


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, ("web", ""), id="the pod's name"),
        pytest.param({"hostname": "h"}, ("h", ""), id="its own"),
        pytest.param({"hostname": "h", "subdomain": "s"}, ("h", "s.shop.svc.cluster.local"), id="with a subdomain"),
        pytest.param(
            {"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True},
            ("h.s.shop.svc.cluster.local", "s.shop.svc.cluster.local"),
            id="as FQDN",
        ),
        pytest.param({"hostNetwork": True}, ("node", ""), id="the node's"),
    ],
)
def test_hostnames(spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert hostname(pod(**spec), "node", "cluster.local") == expected


def test_the_hosts_file() -> None:
    text = hosts_file(pod(hostAliases=[HostAlias(ip="1.2.3.4", hostnames=["a", "b"])]), ("10.1.1.1",), "h", "s.shop.svc").decode()
    assert text.startswith(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
    )
    assert "10.1.1.1\th.s.shop.svc\th\n" in text
    assert text.endswith("# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")


HOST_DNS = DnsConfig(("192.0.2.1",), ("corp.example",), ("edns0",))
OWN = PodDNSConfig(
    nameservers=["9.9.9.9"], searches=["x.y"], options=[PodDNSConfigOption(name="ndots", value="2"), PodDNSConfigOption(name="a")]
)


@pytest.mark.parametrize(
    ("spec", "servers", "searches", "options"),
    [
        pytest.param(
            {"dnsPolicy": "ClusterFirst"},
            ("10.96.0.10",),
            ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"),
            ("ndots:5",),
            id="the cluster first",
        ),
        pytest.param({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, ("192.0.2.1",), ("corp.example",), ("edns0",), id="host network"),
        pytest.param(
            {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True},
            ("10.96.0.10",),
            ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"),
            ("ndots:5",),
            id="the cluster first with host network",
        ),
        pytest.param({"dnsPolicy": "Default"}, ("192.0.2.1",), ("corp.example",), ("edns0",), id="the node's"),
        pytest.param({"dnsPolicy": "None", "dnsConfig": OWN}, ("9.9.9.9",), ("x.y",), ("ndots:2", "a"), id="its own alone"),
        pytest.param(
            {"dnsPolicy": "Default", "dnsConfig": OWN},
            ("192.0.2.1", "9.9.9.9"),
            ("corp.example", "x.y"),
            ("edns0", "ndots:2", "a"),
            id="its own besides",
        ),
    ],
)
def test_resolv_conf(spec: dict[str, Any], servers: tuple[str, ...], searches: tuple[str, ...], options: tuple[str, ...]) -> None:
    assert dns_config(pod(**spec), HOST_DNS, ("10.96.0.10",), "cluster.local") == DnsConfig(servers, searches, options)


def test_what_of_resolv_conf_is_cut_is_told() -> None:
    own = PodDNSConfig(nameservers=["1.1.1.1", "2.2.2.2", "3.3.3.3"], searches=[f"d{number}" for number in range(30)])
    wanted = pod(dnsConfig=own)
    assert dns_config(wanted, HOST_DNS, ("10.96.0.10",), "cluster.local").servers == ("10.96.0.10", "1.1.1.1", "2.2.2.2")
    searches, servers = dns_warnings(wanted, HOST_DNS, ("10.96.0.10",), "cluster.local")
    assert searches.startswith(
        "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: shop.svc.cluster.local "
    )
    assert searches.endswith(" d26 d27")
    assert servers == (
        "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 10.96.0.10 1.1.1.1 2.2.2.2"
    )
    assert dns_warnings(pod(), HOST_DNS, ("10.96.0.10",), "cluster.local") == []


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, "0s"), (0.1239, "123ms"), (1.0, "1s"), (1.5004, "1.5s"), (80.0, "1m20s"), (300.0, "5m0s"), (3600.25, "1h0m0.25s")],
)
def test_durations_read_as_go_prints_them(seconds: float, expected: str) -> None:
    assert go_duration(seconds) == expected


def test_the_nodes_resolv_conf_is_read() -> None:
    text = "# c\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch a. b\nsearch c\noptions x y:1\n"
    assert parse_resolv_conf(text) == DnsConfig(("1.1.1.1", "2.2.2.2"), ("c",), ("x", "y:1"))


# Resources


@pytest.mark.parametrize(("milli", "expected"), [(0, 2), (1, 2), (100, 102), (1000, 1024), (1_000_000, 262144)])
def test_cpu_shares(milli: int, expected: int) -> None:
    assert shares(milli) == expected


@pytest.mark.parametrize(("milli", "expected"), [(0, 0), (1, 1000), (5, 1000), (100, 10_000), (2500, 250_000)])
def test_cpu_quota(milli: int, expected: int) -> None:
    assert quota(milli) == expected


FULL = resources({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"})


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        pytest.param((resources(),), "BestEffort", id="nothing said"),
        pytest.param((FULL,), "Guaranteed", id="limits are requests"),
        pytest.param((FULL, resources()), "Burstable", id="one says nothing"),
        pytest.param((resources({"cpu": "1"}),), "Burstable", id="requests only"),
        pytest.param((resources(None, {"cpu": "1", "memory": "1Gi"}),), "Guaranteed", id="limits only"),
        pytest.param((resources({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"}),), "Burstable", id="limits above requests"),
    ],
)
def test_quality_of_service(each: tuple[ResourceRequirements, ...], expected: str) -> None:
    assert qos_class(with_resources(*each)) == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param(FULL, -997, id="guaranteed"),
        pytest.param(resources(), 1000, id="best effort"),
        pytest.param(resources({"memory": "4Gi"}), 500, id="by what is requested"),
        pytest.param(resources({"memory": "1Ki"}), 999, id="never as bad as best effort"),
        pytest.param(resources({"memory": "8Gi"}), 3, id="never as good as guaranteed"),
    ],
)
def test_who_is_killed_first(own: ResourceRequirements, expected: int) -> None:
    wanted = with_resources(own)
    assert oom_score(wanted, wanted.spec.containers[0], 8 * GIBIBYTE) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [500, 750], id="each by its own"),
        pytest.param({"resources": resources({"memory": "7Gi"})}, [438, 688], id="a share each of what the pod has beyond them"),
        pytest.param({"resources": resources({"cpu": "1"})}, [500, 750], id="the pod says nothing of memory"),
        pytest.param({"priorityClassName": "system-node-critical"}, [-997, -997], id="critical for the node"),
        pytest.param({"priorityClassName": "system-cluster-critical", "priority": 2_000_000_000}, [500, 750], id="for the cluster"),
    ],
)
def test_the_pod_counts_for_who_is_killed_first(spec: dict[str, Any], expected: list[int]) -> None:
    wanted = with_resources(resources({"memory": "4Gi"}), resources({"memory": "2Gi"}), **spec)
    assert [oom_score(wanted, one, 8 * GIBIBYTE) for one in wanted.spec.containers] == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param(resources(), 750, id="as the container that asks for least"),
        pytest.param(resources({"memory": "4Gi"}), 500, id="later when it asks for more"),
    ],
)
def test_a_sidecar_is_not_killed_before_all_containers(own: ResourceRequirements, expected: int) -> None:
    side = Container(name="side", image="i", resources=own, restartPolicy="Always")
    wanted = with_resources(resources({"memory": "6Gi"}), resources({"memory": "2Gi"}), initContainers=[side])
    assert oom_score(wanted, side, 8 * GIBIBYTE) == expected


@pytest.mark.parametrize(
    ("each", "root", "expected"),
    [
        pytest.param((FULL,), "", "/kubepods/podu-1", id="guaranteed"),
        pytest.param((resources({"cpu": "1"}),), "", "/kubepods/burstable/podu-1", id="burstable"),
        pytest.param((resources(),), "/mine", "/mine/kubepods/besteffort/podu-1", id="best effort below a root"),
    ],
)
def test_where_a_pod_is_counted(each: tuple[ResourceRequirements, ...], root: str, expected: str) -> None:
    assert cgroup_path(with_resources(*each), root) == expected


def test_the_pods_own_group_has_the_sums() -> None:
    group = pod_cgroup(with_resources(FULL, FULL))
    assert (group.cpu_shares, group.cpu_quota, group.memory_limit) == (2048, 200_000, 2 * GIBIBYTE)
    group = pod_cgroup(with_resources(FULL, resources({"cpu": "500m"})))
    assert (group.cpu_shares, group.cpu_quota, group.memory_limit) == (1536, 0, 0)


def test_what_the_pod_as_a_whole_may_have_stands_in_its_group() -> None:
    whole = resources({"cpu": "1"}, {"cpu": "2", "memory": "1Gi"})
    group = pod_cgroup(with_resources(resources(), resources({"cpu": "500m"}), resources=whole))
    assert (group.cpu_shares, group.cpu_quota, group.memory_limit) == (1024, 200_000, GIBIBYTE)


def test_init_containers_count_by_their_largest_and_sidecars_by_their_sum() -> None:
    def init(name: str, cpu: str, policy: str = "") -> Container:
        return Container(name=name, image="i", resources=resources({"cpu": cpu}), restartPolicy=policy)

    wanted = with_resources(resources({"cpu": "1"}), initContainers=[init("side", "200m", "Always"), init("big", "3")])
    assert pod_requests(wanted)["cpu"] == 3200
    wanted = with_resources(resources({"cpu": "4"}), initContainers=[init("side", "200m", "Always"), init("big", "3")])
    assert pod_requests(wanted)["cpu"] == 4200


def test_a_containers_own_limits() -> None:
    own = resources({"cpu": "100m"}, {"cpu": "500m", "memory": "64Mi", "hugepages-2Mi": "4Mi"})
    wanted = with_resources(own)
    found = container_resources(wanted, wanted.spec.containers[0], Machine(4, GIBIBYTE))
    assert (found.cpu_shares, found.cpu_quota, found.cpu_period, found.memory_limit) == (102, 50_000, 100_000, 64 << 20)
    assert found.hugepages == {"2MB": 4 << 20}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param(resources(), (512, 50_000, 64 << 20), id="the pod's"),
        pytest.param(resources({"cpu": "100m"}), (102, 50_000, 64 << 20), id="its own request"),
        pytest.param(resources(None, {"cpu": "250m", "memory": "32Mi"}), (256, 25_000, 32 << 20), id="its own limits"),
    ],
)
def test_a_container_without_limits_has_those_of_its_pod(own: ResourceRequirements, expected: tuple[int, int, int]) -> None:
    wanted = with_resources(own, resources=resources({"cpu": "200m"}, {"cpu": "500m", "memory": "64Mi"}))
    found = container_resources(wanted, wanted.spec.containers[0], Machine(4, GIBIBYTE))
    assert (found.cpu_shares, found.cpu_quota, found.memory_limit) == expected


@pytest.mark.parametrize(
    ("machine", "limit", "unified"),
    [
        pytest.param(Machine(4, GIBIBYTE), 0, {}, id="v1"),
        pytest.param(Machine(4, GIBIBYTE, swap=1, limits_swap=True), 64 << 20, {}, id="v1 with swap"),
        pytest.param(Machine(4, GIBIBYTE, swap=1), 0, {}, id="v1 with swap that nobody counts"),
        pytest.param(Machine(4, GIBIBYTE, cgroup_v2=True, limits_swap=True), 0, {"memory.oom.group": "1"}, id="v2"),
        pytest.param(
            Machine(4, GIBIBYTE, cgroup_v2=True, swap=1, limits_swap=True),
            0,
            {"memory.oom.group": "1", "memory.swap.max": "0"},
            id="v2 with swap",
        ),
    ],
)
def test_containers_do_not_swap(machine: Machine, limit: int, unified: dict[str, str]) -> None:
    wanted = with_resources(resources(None, {"memory": "64Mi"}))
    found = container_resources(wanted, wanted.spec.containers[0], machine)
    assert (found.memory_limit, found.memory_swap_limit, found.unified) == (64 << 20, limit, unified)


# Security


def secured(own: SecurityContext | None = None, whole: PodSecurityContext | None = None, image: Image | None = None) -> Any:
    one = Container(name="app", image="i", securityContext=own)
    return container_security(pod(one, securityContext=whole), one, image, seccomp_root="/seccomp")


def test_the_containers_word_wins_over_the_pods() -> None:
    found = secured(SecurityContext(runAsUser=5), PodSecurityContext(runAsUser=1, runAsGroup=2, fsGroup=3, supplementalGroups=[4]))
    assert (found.run_as_user, found.run_as_group, found.supplemental_groups) == (5, 2, [3, 4])


def test_an_apparmor_profile_is_handed_on() -> None:
    local = AppArmorProfile(type="Localhost", localhostProfile="mine")
    assert secured().apparmor is None
    assert secured(None, PodSecurityContext(appArmorProfile=local)).apparmor == SecurityProfile("Localhost", "mine")
    own = SecurityContext(appArmorProfile=AppArmorProfile(type="RuntimeDefault"))
    assert secured(own, PodSecurityContext(appArmorProfile=local)).apparmor == SecurityProfile("RuntimeDefault")


def test_capabilities_have_no_prefix() -> None:
    found = secured(SecurityContext(capabilities=Capabilities(add=["NET_ADMIN", "CAP_SYS_TIME"], drop=["ALL"])))
    assert (found.add_capabilities, found.drop_capabilities) == (("NET_ADMIN", "SYS_TIME"), ("ALL",))


@pytest.mark.parametrize(
    ("own", "image", "message"),
    [
        pytest.param(SecurityContext(runAsNonRoot=True), Image("i"), "container has runAsNonRoot and image will run as root", id="root"),
        pytest.param(
            SecurityContext(runAsNonRoot=True, runAsUser=0),
            Image("i", user=5),
            "container's runAsUser breaks non-root policy",
            id="asks for root",
        ),
        pytest.param(
            SecurityContext(runAsNonRoot=True),
            Image("i", username="web"),
            "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root",
            id="cannot tell",
        ),
    ],
)
def test_a_container_must_not_be_root_when_it_says_so(own: SecurityContext, image: Image, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        secured(own, None, image)
    assert str(error.value) == f'{message} (pod: "web_shop(u-1)", container: app)'


def test_the_images_user_is_taken() -> None:
    assert secured(SecurityContext(runAsNonRoot=True), None, Image("i", user=7)).run_as_user == 7


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, (NamespaceMode.POD, NamespaceMode.CONTAINER, NamespaceMode.POD), id="alone"),
        pytest.param({"hostNetwork": True}, (NamespaceMode.NODE, NamespaceMode.CONTAINER, NamespaceMode.POD), id="host network"),
        pytest.param(
            {"hostPID": True, "hostIPC": True}, (NamespaceMode.POD, NamespaceMode.NODE, NamespaceMode.NODE), id="host pid and ipc"
        ),
        pytest.param({"shareProcessNamespace": True}, (NamespaceMode.POD, NamespaceMode.POD, NamespaceMode.POD), id="shared processes"),
    ],
)
def test_namespaces(spec: dict[str, Any], expected: tuple[NamespaceMode, ...]) -> None:
    found = sandbox_config(pod(**spec), 0, KubeletConfig(), HOST_DNS).security.namespaces
    assert (found.network, found.pid, found.ipc) == expected


def test_host_ports_are_mapped_unless_the_pod_has_the_nodes_network() -> None:
    one = Container(name="app", image="i", ports=[ContainerPort(containerPort=80, hostPort=8080, protocol="TCP")])
    (mapping,) = sandbox_config(pod(one), 0, KubeletConfig(), HOST_DNS).ports
    assert (mapping.container_port, mapping.host_port) == (80, 8080)
    assert sandbox_config(pod(one, hostNetwork=True), 0, KubeletConfig(), HOST_DNS).ports == []


# Images


@pytest.mark.parametrize(
    ("text", "name", "tag", "digest"),
    [
        ("busybox", "docker.io/library/busybox", "", ""),
        ("busybox:1", "docker.io/library/busybox", "1", ""),
        ("me/app", "docker.io/me/app", "", ""),
        ("localhost:5000/a/b:t", "localhost:5000/a/b", "t", ""),
        ("r.example/a@sha256:" + "a" * 64, "r.example/a", "", "sha256:" + "a" * 64),
        ("pilothouse.local/busybox:1", "pilothouse.local/busybox", "1", ""),
    ],
)
def test_references_of_images(text: str, name: str, tag: str, digest: str) -> None:
    found = parse(text)
    assert (found.name, found.tag, found.digest) == (name, tag, digest)


@pytest.mark.parametrize("text", ["", "UPPER", "a:b:c/d", "a b", "a:", "-a", "a/@x", "a" * 64 if False else "f" * 64])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse(text)


def test_the_default_tag() -> None:
    assert with_default_tag("busybox") == "busybox:latest"
    assert with_default_tag("r:5000/busybox") == "r:5000/busybox:latest"
    assert with_default_tag("busybox:1") == "busybox:1"


def test_pull_secrets_are_matched_by_registry() -> None:
    import base64

    import orjson

    auths = {
        "r.example": {"username": "u", "password": "p"},
        "r.example/team": {"auth": base64.b64encode(b"t:q").decode()},
        "*.wild.example": {"username": "w", "password": "w"},
        "https://index.docker.io/v1/": {"username": "hub", "password": "h"},
    }
    data = base64.b64encode(orjson.dumps({"auths": auths})).decode()
    secret = Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": data})

    def users(image: str) -> list[str]:
        return [one.username for one in credentials_for(image, [secret])]

    assert users("r.example/app:1") == ["u"]
    assert users("r.example/team/app:1") == ["t", "u"]
    assert users("a.wild.example/app:1") == ["w"]
    assert users("busybox") == ["hub"]
    assert users("other.example/app") == []


class Volumes:
    def path(self, pod: Pod, name: str) -> str:
        return "/there"


@pytest.mark.parametrize(("mode", "is_refused"), [("", False), ("Disabled", False), ("IfPossible", False), ("Enabled", True)])
async def test_the_runtime_cannot_make_what_is_mounted_below_read_only(mode: str, is_refused: bool) -> None:
    mount = VolumeMount(name="v", mountPath="/v", readOnly=True, recursiveReadOnly=mode)
    container = Container(name="app", terminationMessagePath="", volumeMounts=[mount])
    own = pod(container, volumes=[Volume(name="v", emptyDir=EmptyDirVolumeSource())])
    text = ""
    try:
        await container_mounts(own, container, 0, Volumes(), SimulatedHost(), Paths("/k", "/l"), {})  # type: ignore[arg-type]
    except ConfigError as error:
        text = str(error)
    said = 'volume "v" requested recursive read-only mode, but it is not supported by the runtime'
    assert text == (f"failed to resolve recursive read-only mode: {said}" if is_refused else "")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"configMap": ConfigMapVolumeSource(name="x")}, True, id="a ConfigMap"),
        pytest.param({"secret": SecretVolumeSource(secretName="x")}, True, id="a Secret"),
        pytest.param({"downwardAPI": DownwardAPIVolumeSource()}, True, id="the downward API"),
        pytest.param({"projected": ProjectedVolumeSource()}, True, id="projected"),
        pytest.param(
            {"persistentVolumeClaim": PersistentVolumeClaimVolumeSource(claimName="x", readOnly=True)}, True, id="a read-only claim"
        ),
        pytest.param({"persistentVolumeClaim": PersistentVolumeClaimVolumeSource(claimName="x")}, False, id="a claim"),
        pytest.param({"emptyDir": EmptyDirVolumeSource()}, False, id="an emptyDir"),
    ],
)
async def test_what_the_kubelet_fills_no_container_writes_to(source: dict[str, Any], expected: bool) -> None:
    container = Container(name="app", terminationMessagePath="", volumeMounts=[VolumeMount(name="v", mountPath="/v")])
    own = pod(container, volumes=[Volume(name="v", **source)])
    found = await container_mounts(own, container, 0, Volumes(), SimulatedHost(), Paths("/k", "/l"), {})  # type: ignore[arg-type]
    assert next(one for one in found if one.container_path == "/v").readonly is expected
