from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from pilothouse.cluster import choice, state
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import BLOCKS, ClusterState, Places

BLOCK = IPv4Network("10.222.0.0/16")


def cluster(name: str = "dev", **other: object) -> ClusterState:
    wishes = {"network": "node", "egress": False, "port": 6443, "block": BLOCK, "mtu": 1500, **other}
    return choice.new_cluster(name, **wishes)  # type: ignore[arg-type]


def test_ranges_are_parts_of_the_block_and_do_not_overlap() -> None:
    made = cluster()
    parts = [IPv4Network(one) for one in (made.service_range, made.pod_range, "10.222.255.0/24")]
    assert all(part.subnet_of(BLOCK) for part in parts)
    assert not any(one.overlaps(other) for one in parts for other in parts if one is not other)
    assert IPv4Network(made.node_pod_range).subnet_of(IPv4Network(made.pod_range))
    assert (made.kubernetes_service, made.dns_service) == ("10.222.0.1", "10.222.0.10")
    assert (made.host_address, made.node_address) == ("10.222.255.1", "10.222.255.2")


@pytest.mark.parametrize(("name", "context"), [("pilothouse", "pilothouse"), ("dev", "pilothouse-dev")])
def test_contexts_bear_the_name(name: str, context: str) -> None:
    assert cluster(name).context == context


def test_a_cluster_on_the_machines_network_has_no_namespace() -> None:
    made = cluster(network="host", machine_address="192.0.2.2")
    assert (made.namespace, made.node_address) == ("", "192.0.2.2")


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    places = Places("dev", tmp_path)
    assert state.load(places) is None
    state.save(places, cluster())
    assert state.load(places) == cluster()
    assert [one.name for one in state.all_clusters(tmp_path)] == ["dev"]


def test_directories_without_a_record_are_no_clusters(tmp_path: Path) -> None:
    Places("half", tmp_path).state.mkdir(parents=True)
    assert state.all_clusters(tmp_path) == []


def test_of_many_who_want_a_lock_one_has_it_at_a_time_and_nothing_is_left(tmp_path: Path) -> None:
    """Each with its own neighbour in the folder, which it removes when that is empty."""
    shared, inside, seen = tmp_path / "run" / ".lock", [0], []

    def work(number: int) -> None:
        for _ in range(50):
            with state.file_lock(tmp_path / "run" / f".{number}.lock", lambda: None), state.file_lock(shared, lambda: None):
                inside[0] += 1
                seen.append(inside[0])
                inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result()
    assert set(seen) == {1}
    assert not (tmp_path / "run").exists()


def test_who_waits_for_a_lock_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        with state.file_lock(tmp_path / ".lock", lambda: told.append("not waited")):
            waits = threading.Event()

            def work() -> None:
                with state.file_lock(tmp_path / ".lock", waits.set):
                    told.append("had it")

            other = pool.submit(work)
            assert waits.wait(10)
        other.result()
    assert told == ["had it"]


@pytest.mark.parametrize("name", ["a", "dev-1", "a" * 40])
def test_good_names(name: str) -> None:
    choice.check_name(name)


@pytest.mark.parametrize("name", ["", "Dev", "-a", "a-", "a/b", "..", "a" * 41, "a_b"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ClusterFailure, match="no name for a cluster"):
        choice.check_name(name)


@pytest.mark.parametrize(
    ("used", "others", "expected"),
    [
        pytest.param([], [], BLOCKS[0], id="the first"),
        pytest.param([BLOCKS[0]], [], BLOCKS[1], id="passes over what the machine uses"),
        pytest.param([], [cluster(block=BLOCKS[0])], BLOCKS[1], id="passes over other clusters, running or not"),
    ],
)
def test_blocks_are_free(used: list[IPv4Network], others: list[ClusterState], expected: IPv4Network) -> None:
    assert choice.free_block(used, others) == expected


def test_says_so_when_no_block_is_free() -> None:
    with pytest.raises(ClusterFailure, match="no address range is free"):
        choice.free_block([IPv4Network("10.0.0.0/8")], [])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({"XDG_STATE_HOME": "/x", "HOME": "/"}, "/x/pilothouse", id="where the user says"),
        pytest.param({"HOME": "{home}"}, "{home}/.local/state/pilothouse", id="below the home"),
        pytest.param({"HOME": "/nonexistent"}, "/", id="no home"),
        pytest.param({}, "/", id="none named"),
    ],
)
def test_where_the_clusters_of_an_ordinary_user_are(tmp_path: Path, environment: dict[str, str], expected: str) -> None:
    home = str(tmp_path)
    found = state.own_root({name: value.format(home=home) for name, value in environment.items()})
    assert str(found) == expected.format(home=home)
