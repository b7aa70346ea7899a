"""The nftables backend with real packets: a node, three pods and a client outside, each a namespace of its own, without default routes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    ObjectReference,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
)
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.virtual_clock import wait_until_idle
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.proxy.backends.nftables import TABLE, NftablesBackend
from pilothouse.proxy.backends.nftables_rules import Frame
from pilothouse.proxy.planner import PortKey, PortPlan, Target
from pilothouse.proxy.proxy import Proxy
from tests.e2e.namespaces import Loop, inside, run, within
from tests.unit.scheduler.fake_api import FakeApi

pytestmark = pytest.mark.e2e

SERVICE_RANGE, POD_RANGE = "10.96.0.0/16", "10.244.0.0/24"
VIP, OTHER_VIP = "10.96.0.20", "10.96.0.21"
NODE_IP, OUTSIDE_IP, EXTERNAL_IP = "192.168.77.1", "192.168.77.2", "203.0.113.7"
PODS = {"p1": "10.244.0.11", "p2": "10.244.0.12", "p3": "10.244.0.13"}
PORT, NODE_PORT, HEALTH_PORT = 8080, 30080, 30999
REFUSED, SILENCE = "refused", "silence"


class Net:
    """The namespaces, and a server in each pod that answers with its name and the client's address."""

    def __init__(self, tag: str) -> None:
        self.names = {name: f"ph-{tag}-{name}" for name in ("node", "out", *PODS)}
        self._sockets: list[socket.socket] = []
        self._servers: list[threading.Thread] = []
        self._closing = threading.Event()

    def make(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "add", name)
            inside(name, "ip", "link", "set", "lo", "up")
        node = self.names["node"]
        for bridge, address in (("pods", "10.244.0.1/24"), ("svc", "")):
            inside(node, "ip", "link", "add", bridge, "type", "bridge")
            inside(node, "ip", "link", "set", bridge, "up")
            if address:
                inside(node, "ip", "address", "add", address, "dev", bridge)
        inside(node, "ip", "route", "add", SERVICE_RANGE, "dev", "svc")
        settings = "echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables"
        inside(node, "sh", "-c", settings)
        self._join("out", "uplink", f"{OUTSIDE_IP}/24")
        inside(node, "ip", "address", "add", f"{NODE_IP}/24", "dev", "uplink")
        for route in (SERVICE_RANGE, POD_RANGE, f"{EXTERNAL_IP}/32"):
            inside(self.names["out"], "ip", "route", "add", route, "via", NODE_IP)
        for pod, address in PODS.items():
            self._join(pod, f"to-{pod}", f"{address}/24")
            inside(node, "ip", "link", "set", f"to-{pod}", "master", "pods")
            inside(node, "bridge", "link", "set", "dev", f"to-{pod}", "hairpin", "on")  # as the CNI bridge does
            inside(self.names[pod], "ip", "route", "add", SERVICE_RANGE, "via", "10.244.0.1")
            inside(self.names[pod], "ip", "route", "add", "192.168.77.0/24", "via", "10.244.0.1")
        inside(node, "ip", "link", "set", "svc", "up")
        for pod in PODS:
            self._serve(pod)

    def _join(self, name: str, device: str, address: str) -> None:
        node, other = self.names["node"], self.names[name]
        run("ip", "link", "add", device, "netns", node, "type", "veth", "peer", "name", "eth0", "netns", other)
        inside(node, "ip", "link", "set", device, "up")
        inside(other, "ip", "link", "set", "eth0", "up")
        inside(other, "ip", "address", "add", address, "dev", "eth0")

    def _serve(self, pod: str) -> None:
        def open_sockets() -> list[socket.socket]:
            stream = socket.create_server(("0.0.0.0", PORT))
            datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            datagrams.bind(("0.0.0.0", PORT))
            return [stream, datagrams]

        sockets = within(self.names[pod], open_sockets)
        self._sockets += sockets
        server = threading.Thread(target=self._answer, args=(pod, sockets), daemon=True)
        server.start()
        self._servers.append(server)

    def _answer(self, pod: str, sockets: list[socket.socket]) -> None:
        stream, datagrams = sockets
        while not self._closing.is_set():
            for ready in select.select(sockets, (), (), 0.5)[0]:
                if ready is stream:
                    connection, (client, _) = stream.accept()
                    with connection:
                        connection.sendall(f"{pod} {client}".encode())
                else:
                    _, (client, port) = datagrams.recvfrom(100)
                    datagrams.sendto(f"{pod} {client}".encode(), (client, port))

    def ask(self, source: str, address: str, port: int, timeout: float = 2.0) -> tuple[str, str]:
        """(pod, the client address that it saw) over a new TCP connection; or (REFUSED | SILENCE, "")."""

        def dial() -> tuple[str, str]:
            try:
                with socket.create_connection((address, port), timeout) as connection:
                    pod, client = connection.recv(100).decode().split()
                    return pod, client
            except ConnectionRefusedError:
                return REFUSED, ""
            except TimeoutError:
                return SILENCE, ""

        return within(self.names[source], dial)

    def datagram_socket(self, source: str) -> socket.socket:
        def opened() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.settimeout(2.0)
            return made

        made = within(self.names[source], opened)
        self._sockets.append(made)
        return made

    def remove(self) -> None:
        self._closing.set()
        for server in self._servers:
            server.join(5)
        for name in self.names.values():
            if os.path.exists(f"/var/run/netns/{name}"):
                run("ip", "netns", "delete", name)
        for one in self._sockets:
            one.close()


class Node:
    """A proxy that runs in the node's namespace against a fake API."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.api = FakeApi()
        self.loop = Loop(net.names["node"])
        self.task = self.loop.do(self._start())

    async def _start(self) -> asyncio.Task[None]:
        frame = Frame(TABLE, (NODE_IP,), (SERVICE_RANGE,), (POD_RANGE,))
        self.backend = NftablesBackend(frame)
        self.proxy = Proxy(self.api.client, "node", (NODE_IP,), self.backend, SystemClock())
        task = asyncio.create_task(self.proxy.run())
        await asyncio.wait_for(self.proxy.synced.wait(), 5)
        return task

    def put(self, *objects: Any) -> None:
        async def work() -> None:
            self.api.put(*objects)
            await wait_until_idle()

        self.loop.do(work())
        assert not self.task.done(), self.task

    def restart(self, while_down: Callable[[], bool]) -> None:
        """Another proxy in place of this one; whether packets found their way between the two."""

        async def end() -> None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

        self.loop.do(end())
        assert while_down()
        self.task = self.loop.do(self._start())

    def wait_for(self, condition: Callable[[], bool]) -> None:
        async def work() -> None:
            for _ in range(100):
                if await asyncio.to_thread(condition):
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("it does not come about")

        self.loop.do(work())

    def stop(self) -> None:
        async def end() -> None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.backend.close()

        try:
            self.loop.do(end())
        finally:
            self.loop.stop()


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    assert os.geteuid() == 0, "this test makes network namespaces: run it as root"
    made = Net(f"{os.getpid() % 100000}")
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.fixture
def node(net: Net) -> Iterator[Node]:
    made = Node(net)
    try:
        yield made
    finally:
        made.stop()


def service(name: str = "hello", vip: str = VIP, **spec: Any) -> Service:
    one = ServicePort(name="http", port=80, targetPort=PORT, protocol="TCP", nodePort=spec.pop("nodePort", None))
    ports = spec.pop("ports", None) or [one]
    spec.setdefault("type", "NodePort" if ports[0].nodePort else "ClusterIP")
    return Service(
        metadata=ObjectMeta(name=name, namespace="default"), spec=ServiceSpec(clusterIP=vip, clusterIPs=[vip], ports=ports, **spec)
    )


def endpoints(name: str, *pods: str, here: tuple[str, ...] = (), protocol: str = "TCP", **conditions: bool) -> EndpointSlice:
    ready = {"ready": True, "serving": True, "terminating": False, **conditions}
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-abcde", namespace="default", labels={"kubernetes.io/service-name": name}),
        addressType="IPv4",
        ports=[EndpointPort(name="http", port=PORT, protocol=protocol)],
        endpoints=[
            Endpoint(
                addresses=[PODS[pod]],
                conditions=EndpointConditions(**ready),
                nodeName="node" if pod in here else "elsewhere",
                targetRef=ObjectReference(kind="Pod", name=pod),
            )
            for pod in pods
        ],
    )


def answers(net: Net, source: str, address: str, port: int, times: int = 30) -> set[str]:
    return {net.ask(source, address, port)[0] for _ in range(times)}


@pytest.mark.parametrize("source", ["node", "out", "p1"])
def test_a_cluster_ip_reaches_every_pod_from_everywhere(net: Net, node: Node, source: str) -> None:
    node.put(service(), endpoints("hello", *PODS))
    assert answers(net, source, VIP, 80) == set(PODS)


def test_a_pod_reaches_itself_through_its_own_service(net: Net, node: Node) -> None:
    node.put(service(), endpoints("hello", "p1"))
    assert net.ask("p1", VIP, 80)[0] == "p1"


def test_pods_see_each_others_addresses_and_clients_outside_are_masqueraded(net: Net, node: Node) -> None:
    node.put(service(), endpoints("hello", "p2"))
    assert net.ask("p1", VIP, 80) == ("p2", PODS["p1"])
    assert net.ask("out", VIP, 80) == ("p2", "10.244.0.1")


def test_rules_follow_the_endpoints(net: Net, node: Node) -> None:
    node.put(service(), endpoints("hello", "p1", "p2"))
    assert answers(net, "node", VIP, 80) == {"p1", "p2"}
    node.put(endpoints("hello", "p3"))
    assert answers(net, "node", VIP, 80) == {"p3"}
    node.put(service(ports=[ServicePort(name="http", port=81, targetPort=PORT, protocol="TCP")]))
    assert net.ask("node", VIP, 81)[0] == "p3"
    assert net.ask("node", VIP, 80)[0] == REFUSED


@pytest.mark.parametrize("source", ["node", "out", "p1"])
def test_a_service_without_endpoints_refuses(net: Net, node: Node, source: str) -> None:
    node.put(service(nodePort=NODE_PORT))
    assert net.ask(source, VIP, 80)[0] == REFUSED
    assert net.ask(source, NODE_IP, NODE_PORT)[0] == REFUSED


@pytest.mark.parametrize("source", ["node", "out", "p1"])
def test_packets_for_unused_service_addresses_die_on_the_node(net: Net, node: Node, source: str) -> None:
    node.put(service(), endpoints("hello", "p1"))
    assert net.ask(source, "10.96.200.200", 80, timeout=0.5)[0] == SILENCE


@pytest.mark.parametrize("source", ["node", "out", "p1"])
def test_a_node_port_reaches_every_pod(net: Net, node: Node, source: str) -> None:
    node.put(service(nodePort=NODE_PORT), endpoints("hello", *PODS, here=("p1",)))
    assert answers(net, source, NODE_IP, NODE_PORT) == set(PODS)


def test_external_traffic_policy_local_keeps_the_source_and_stays_here(net: Net, node: Node) -> None:
    node.put(service(nodePort=NODE_PORT, externalTrafficPolicy="Local"), endpoints("hello", *PODS, here=("p2",)))
    assert {net.ask("out", NODE_IP, NODE_PORT) for _ in range(10)} == {("p2", OUTSIDE_IP)}
    assert answers(net, "p1", NODE_IP, NODE_PORT) == set(PODS)
    assert answers(net, "node", NODE_IP, NODE_PORT) == set(PODS)
    node.put(endpoints("hello", *PODS))
    assert net.ask("out", NODE_IP, NODE_PORT, timeout=0.5)[0] == SILENCE
    assert answers(net, "node", NODE_IP, NODE_PORT) == set(PODS)


def test_internal_traffic_policy_local(net: Net, node: Node) -> None:
    node.put(service(internalTrafficPolicy="Local"), endpoints("hello", *PODS, here=("p2",)))
    assert answers(net, "p1", VIP, 80) == {"p2"}
    node.put(endpoints("hello", *PODS))
    assert net.ask("p1", VIP, 80, timeout=0.5)[0] == SILENCE


def test_external_ips(net: Net, node: Node) -> None:
    node.put(service(externalIPs=[EXTERNAL_IP]), endpoints("hello", *PODS))
    assert answers(net, "out", EXTERNAL_IP, 80) == set(PODS)


def test_session_affinity_keeps_a_client_until_its_time_is_out(net: Net, node: Node) -> None:
    affinity = SessionAffinityConfig(clientIP=ClientIPConfig(timeoutSeconds=1))
    node.put(service(sessionAffinity="ClientIP", sessionAffinityConfig=affinity), endpoints("hello", *PODS))
    first = net.ask("out", VIP, 80)[0]
    assert answers(net, "out", VIP, 80, times=15) == {first}
    node.put(endpoints("hello", *(pod for pod in PODS if pod != first)))
    second = net.ask("out", VIP, 80)[0]
    assert second != first
    node.put(endpoints("hello", *PODS))
    assert answers(net, "out", VIP, 80, times=5) == {second}
    seen: set[str] = set()

    def forgotten() -> bool:
        inside(net.names["node"], "sleep", "1.2")
        seen.add(net.ask("out", VIP, 80)[0])
        return len(seen) > 1

    node.wait_for(forgotten)


def test_affinity_and_service_outlive_the_proxy(net: Net, node: Node) -> None:
    affinity = SessionAffinityConfig(clientIP=ClientIPConfig(timeoutSeconds=60))
    node.put(service(sessionAffinity="ClientIP", sessionAffinityConfig=affinity), endpoints("hello", *PODS))
    first = net.ask("out", VIP, 80)[0]
    node.restart(while_down=lambda: net.ask("out", VIP, 80)[0] == first)
    assert answers(net, "out", VIP, 80, times=15) == {first}


def test_endpoints_that_end_serve_when_no_other_is_left(net: Net, node: Node) -> None:
    node.put(service(), endpoints("hello", "p1", ready=False, serving=True, terminating=True))
    assert net.ask("node", VIP, 80)[0] == "p1"


def test_datagrams_and_streams_share_a_port(net: Net, node: Node) -> None:
    ports = [ServicePort(name="http", port=80, targetPort=PORT, protocol=protocol) for protocol in ("TCP", "UDP")]
    udp = endpoints("hello", "p2", protocol="UDP")
    udp.metadata.name = "hello-fghij"
    node.put(service(ports=ports), endpoints("hello", "p1"), udp)
    asking = net.datagram_socket("out")
    asking.sendto(b"?", (VIP, 80))
    assert asking.recv(100).startswith(b"p2")
    assert net.ask("out", VIP, 80)[0] == "p1"


def test_a_udp_client_that_keeps_its_port_is_led_to_the_endpoints_of_now(net: Net, node: Node) -> None:
    ports = [ServicePort(name="http", port=80, targetPort=PORT, protocol="UDP", nodePort=NODE_PORT)]
    node.put(service(ports=ports), endpoints("hello", "p1", protocol="UDP"))
    asking = net.datagram_socket("out")
    through_node = net.datagram_socket("out")
    for one, address in ((asking, (VIP, 80)), (through_node, (NODE_IP, NODE_PORT))):
        one.sendto(b"?", address)
        assert one.recv(100).startswith(b"p1")
    node.put(endpoints("hello", "p2", protocol="UDP"))

    def led_to_p2() -> bool:
        for one, address in ((asking, (VIP, 80)), (through_node, (NODE_IP, NODE_PORT))):
            one.sendto(b"?", address)
            if not one.recv(100).startswith(b"p2"):
                return False
        return True

    node.wait_for(led_to_p2)


def test_a_udp_client_stays_with_an_endpoint_that_ends_for_as_long_as_it_serves(net: Net, node: Node) -> None:
    ports = [ServicePort(name="http", port=80, targetPort=PORT, protocol="UDP")]
    node.put(service(ports=ports), endpoints("hello", "p1", protocol="UDP"))
    early, late = net.datagram_socket("out"), net.datagram_socket("out")

    def answering(client: socket.socket) -> bytes:
        client.sendto(b"?", (VIP, 80))
        return client.recv(100)[:2]

    assert answering(early) == b"p1"
    both = endpoints("hello", "p1", "p2", protocol="UDP")
    both.endpoints[0].conditions = EndpointConditions(ready=False, serving=True, terminating=True)
    node.put(both)
    node.wait_for(lambda: answering(net.datagram_socket("out")) == b"p2")
    assert answering(late) == b"p2"
    assert answering(early) == b"p1", "what it began goes on"
    both = endpoints("hello", "p1", "p2", protocol="UDP")
    both.endpoints[0].conditions = EndpointConditions(ready=False, serving=False, terminating=True)
    node.put(both)
    node.wait_for(lambda: answering(early) == b"p2")


def test_a_udp_client_that_came_before_the_endpoints_finds_them(net: Net, node: Node) -> None:
    node.put(service(ports=[ServicePort(name="http", port=80, targetPort=PORT, protocol="UDP")]))
    asking = net.datagram_socket("p1")
    asking.settimeout(0.3)

    def answered() -> bool:
        try:
            asking.sendto(b"?", (VIP, 80))
            return asking.recv(100).startswith(b"p2")
        except OSError:
            return False

    assert not answered()
    node.put(endpoints("hello", "p2", protocol="UDP"))
    node.wait_for(answered)


def test_load_balancer_addresses_with_source_ranges_and_health_check(net: Net, node: Node) -> None:
    balanced = service(
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        healthCheckNodePort=HEALTH_PORT,
        loadBalancerSourceRanges=["192.168.77.0/24"],
        nodePort=NODE_PORT,
    )
    balanced.status = ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=[LoadBalancerIngress(ip=EXTERNAL_IP)]))
    node.put(balanced, endpoints("hello", "p1", "p2", here=("p1",)))
    assert net.ask("out", EXTERNAL_IP, 80) == ("p1", OUTSIDE_IP)
    assert http_status(net) == "HTTP/1.1 200 OK"
    balanced = FakeApi._copy(balanced)
    balanced.spec.loadBalancerSourceRanges = ["198.51.100.0/24"]
    node.put(balanced, endpoints("hello", "p1", "p2"))
    assert net.ask("out", EXTERNAL_IP, 80, timeout=0.5)[0] == SILENCE
    assert http_status(net) == "HTTP/1.1 503 Service Unavailable"


def http_status(net: Net) -> str:
    def get() -> str:
        with socket.create_connection((NODE_IP, HEALTH_PORT), 2) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n")
            return connection.recv(1000).decode().splitlines()[0]

    return within(net.names["out"], get)


def test_rules_that_somebody_took_away_come_back(net: Net, node: Node) -> None:
    node.put(service(), endpoints("hello", "p1"))
    inside(net.names["node"], "nft", "flush", "ruleset")
    node.wait_for(lambda: net.ask("node", VIP, 80, timeout=0.3)[0] == "p1")
    inside(net.names["node"], "nft", "flush", "chain", "ip", TABLE, "serve")
    node.wait_for(lambda: net.ask("node", VIP, 80, timeout=0.3)[0] == "p1")


def rules_in(namespace: str) -> dict[str, Any]:
    """The table as values without handles and order of elements; shared chains that nobody uses any more are left out."""
    found: dict[str, Any] = {}
    for item in json.loads(inside(namespace, "nft", "-j", "list", "table", "ip", TABLE))["nftables"]:
        for kind, one in item.items():
            if kind in ("map", "set"):
                found[f"{kind} {one['name']}"] = sorted(json.dumps(element) for element in one.get("elem", ()))
            elif kind == "chain":
                found.setdefault(f"chain {one['name']}", [])
            elif kind == "rule":
                found.setdefault(f"chain {one['chain']}", []).append(json.dumps(one["expr"]))
    unused = {name.split()[1] for name, elements in found.items() if name.startswith("map pick-") and not elements}
    return {name: value for name, value in found.items() if name.split()[1] not in unused}


def drawn_plan(chance: random.Random, place: int) -> PortPlan:
    pods = [Target(f"10.244.0.{number}", PORT) for number in sorted(chance.sample(range(1, 9), chance.randrange(4)))]
    protocol = chance.choice(["TCP", "UDP", "SCTP"])
    return PortPlan(
        PortKey("default", f"s{place}", "http", protocol),
        80,
        (f"10.96.1.{place}",),
        external_ips=("203.0.113.9",) if chance.random() < 0.2 else (),
        load_balancer_ips=(f"203.0.113.{100 + place}",) if chance.random() < 0.3 else (),
        node_port=31000 + place if chance.random() < 0.5 else 0,
        everywhere=tuple(pods),
        here=tuple(pods[:1]) if chance.random() < 0.5 else (),
        internal_local=chance.random() < 0.2,
        external_local=chance.random() < 0.3,
        affinity_seconds=chance.choice([0, 0, 60, 120]),
        source_ranges=("192.168.0.0/16",) if chance.random() < 0.2 else (),
    )


@pytest.mark.parametrize("seed", range(3))
def test_changes_one_by_one_lead_to_what_putting_all_at_once_gives(net: Net, seed: int) -> None:
    chance = random.Random(seed)
    node, frame = net.names["node"], Frame(TABLE, (NODE_IP,), (SERVICE_RANGE,), (POD_RANGE,))
    changing = NftablesBackend(frame)
    try:
        within(node, lambda: changing.replace({}))  # the socket opens with the first transaction, and stays in that namespace
        plans: dict[PortKey, PortPlan] = {}
        for step in range(40):
            changes: dict[PortKey, PortPlan | None] = {one.key: one for one in (drawn_plan(chance, chance.randrange(6)) for _ in range(2))}
            changes |= dict.fromkeys(key for key in plans if chance.random() < 0.2)
            changing.apply(changes)
            # What is known longest wins an address that two claim: so the order is kept here as well.
            plans = {key: plan for key, plan in {**plans, **changes}.items() if plan is not None}
            if step % 10 == 9:
                one_by_one = rules_in(node)
                changing.replace(plans)
                assert one_by_one == rules_in(node)
    finally:
        changing.close()


def test_closing_leaves_nothing(net: Net) -> None:
    made = Node(net)
    made.put(service(nodePort=NODE_PORT), endpoints("hello", *PODS))
    made.stop()
    assert inside(net.names["node"], "nft", "list", "ruleset") == ""
