"""A node's network made, made again and taken down: on a host that is itself a namespace, so that nothing of the machine changes."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.node import linux, mounts, namespaces, network
from pilothouse.node.network import Link
from tests.e2e.namespaces import inside, run, within

pytestmark = pytest.mark.e2e

TAG = f"nn{os.getpid() % 10000}"
HOST, NODE = f"ph-{TAG}-host", f"ph-{TAG}-node"
LINK = Link(
    namespace=NODE,
    host_interface=f"ph-{TAG}",
    host_address="10.222.255.1",
    node_address="10.222.255.2",
    prefix_length=24,
    block="10.222.0.0/16",
    pod_range="10.222.64.0/18",
    service_range="10.222.0.0/20",
    mtu=1400,
)
CLOSED = replace(LINK, egress=False)


@pytest.fixture
def host(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[Link], None], Link], None]]:
    """Runs a step with the host's part of it in a namespace."""
    monkeypatch.setattr(network, "REMEMBERED", tmp_path_factory.mktemp("host") / "settings")
    run("ip", "netns", "add", HOST)
    try:
        yield lambda step, link: within(HOST, lambda: step(link))
    finally:
        namespaces.remove(namespaces.network_path(NODE))
        run("ip", "netns", "delete", HOST)


def ways_out() -> tuple[str, str]:
    """(default route of the node, masquerade tables on the host)"""
    return inside(NODE, "ip", "route", "show", "default"), inside(HOST, "nft", "list", "tables")


def answers() -> bool:
    """Whether packets come from the host to the node and back: nobody listens there, and that is told."""

    def refused() -> bool:
        with socket.socket() as client:
            client.settimeout(2)
            return client.connect_ex((LINK.node_address, 9)) == errno.ECONNREFUSED

    return within(HOST, refused)


def test_a_cluster_without_a_way_out_has_none_left_from_before(host: Callable[..., None]) -> None:
    host(network.set_up, LINK)
    route, tables = ways_out()
    assert "default via 10.222.255.1" in route
    assert network.table_name(NODE) in tables
    host(network.set_up, CLOSED)
    assert ways_out() == ("", "")


def test_taking_down_leaves_nothing_of_a_way_out_that_was_there_once(host: Callable[..., None]) -> None:
    host(network.set_up, LINK)
    host(network.take_down, CLOSED)
    assert inside(HOST, "nft", "list", "tables") == ""
    assert inside(HOST, "ip", "route") == ""
    assert LINK.host_interface not in inside(HOST, "ip", "link")
    assert not namespaces.is_pinned(namespaces.network_path(NODE))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda: None, id="nothing"),
        pytest.param(lambda: inside(HOST, "ip", "link", "delete", LINK.host_interface), id="the pair is gone"),
        pytest.param(lambda: inside(NODE, "ip", "link", "delete", network.SERVICE_BRIDGE), id="the bridge is gone"),
        pytest.param(lambda: inside(HOST, "ip", "route", "delete", LINK.service_range), id="a route is gone"),
        pytest.param(lambda: inside(HOST, "ip", "link", "set", LINK.host_interface, "down"), id="the pair is down"),
    ],
)
def test_setting_up_again_mends_what_is_damaged(host: Callable[..., None], damage: Callable[[], None]) -> None:
    host(network.set_up, CLOSED)
    damage()
    host(network.set_up, CLOSED)
    assert answers()
    assert "10.222.0.0/20" in inside(NODE, "ip", "route")


def test_a_namespace_whose_name_was_removed_while_somebody_lives_in_it_gets_it_back_or_is_made_again(host: Callable[..., None]) -> None:
    host(network.set_up, CLOSED)
    with subprocess.Popen(["nsenter", f"--net=/run/netns/{NODE}", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        assert left.stdout.readline() == b"\n"
        namespaces.remove(namespaces.network_path(NODE))
        try:
            namespaces.pin_network_again(NODE, left.pid)
            inside(NODE, "ip", "link", "show", network.SERVICE_BRIDGE)
            host(network.set_up, CLOSED)
            assert answers()
            namespaces.remove(namespaces.network_path(NODE))
            host(network.set_up, CLOSED)  # without it there is a new one, and the pair leads there
            assert answers()
        finally:
            left.kill()


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where names of namespaces are, of this test alone."""
    place = tmp_path / "netns"
    monkeypatch.setattr(namespaces, "NETNS_DIRECTORY", str(place))
    monkeypatch.setattr(namespaces, "NETNS_MOUNTED", tmp_path / "run" / "mounted")
    yield place
    mounts.unmount_below(str(tmp_path))


def test_the_mount_of_the_directory_of_names_goes_with_the_last_name(directory: Path) -> None:
    assert namespaces.make_network("one")
    assert namespaces.make_network("two")
    assert mounts.is_point(str(directory))
    namespaces.remove(namespaces.network_path("one"))
    assert not namespaces.release_network_directory()
    assert namespaces.is_pinned(namespaces.network_path("two"))
    namespaces.remove(namespaces.network_path("two"))
    assert namespaces.release_network_directory()
    assert not mounts.is_point(str(directory))
    assert not directory.exists()
    assert namespaces.make_network("again")


def test_a_mount_of_somebody_elses_stays(directory: Path) -> None:
    directory.mkdir()
    linux.mount(str(directory), str(directory), flags=linux.MS_BIND)  # as `ip netns add` did
    assert namespaces.make_network("one")
    namespaces.remove(namespaces.network_path("one"))
    assert not namespaces.release_network_directory()
    assert mounts.is_point(str(directory))
