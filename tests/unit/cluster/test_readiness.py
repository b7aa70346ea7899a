from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from pilothouse.cluster import certificates, readiness
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cluster.state import Places
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places("dev", tmp_path)
    certificates.make_leaves(made.pki, [certificates.Subject("admin", "kubernetes-admin")], VirtualClock(), Entropy(1))
    return made


def test_only_the_clusters_authority_is_trusted(places: Places) -> None:
    context = readiness.administrators_context(places)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "kubernetes"),),)]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe"], ids=["empty", "text", "bytes"])
@pytest.mark.parametrize("file", ["ca.crt", "admin.crt", "admin.key"])
def test_a_damaged_certificate_is_explained(places: Places, file: str, content: bytes) -> None:
    (places.pki / file).write_bytes(content)
    with pytest.raises(ClusterFailure, match="is damaged") as caught:
        readiness.administrators_context(places)
    assert (str(places.pki) in caught.value.problem, caught.value.remedy) == (True, "mend the cluster: pilothouse up --name dev")


def test_a_missing_certificate_is_named(places: Places) -> None:
    (places.pki / "ca.crt").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        readiness.administrators_context(places)
    assert Path(caught.value.filename) == places.pki / "ca.crt"


@pytest.mark.parametrize(
    ("status", "heartbeat", "expected"),
    [
        pytest.param("True", "2026-01-01T00:00:05Z", True, id="ready since"),
        pytest.param("True", "2025-12-31T23:59:59Z", False, id="the word of a kubelet that ended meanwhile"),
        pytest.param("False", "2026-01-01T00:00:05Z", False, id="not ready"),
        pytest.param("Unknown", "2026-01-01T00:00:05Z", False, id="unknown"),
    ],
)
def test_a_node_is_ready_by_the_word_of_its_kubelet(status: str, heartbeat: str, expected: bool) -> None:
    node = {"status": {"conditions": [{"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat}]}}
    assert readiness.is_ready_node(node, "2026-01-01T00:00:00Z") == expected
