from __future__ import annotations

import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pilothouse.cluster import certificates
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.kit.entropy import Entropy
from pilothouse.kit.virtual_clock import VirtualClock

LEAVES = certificates.subjects("node-1", "10.222.255.2", ["127.0.0.1", "10.222.0.1"], "cluster.local")


def make(folder: Path, clock: VirtualClock, leaves: list[certificates.Subject] = LEAVES) -> None:
    certificates.make(folder, leaves, clock, Entropy(1))


def load(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def folder(tmp_path: Path, clock: VirtualClock) -> Path:
    make(tmp_path, clock)
    return tmp_path


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.file)
def test_leaves_are_signed_and_say_by_whom(folder: Path, leaf: certificates.Subject) -> None:
    authority, certificate = load(folder, leaf.authority), load(folder, leaf.file)
    certificate.verify_directly_issued_by(authority)
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own
    assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_the_front_proxy_has_an_authority_of_its_own(folder: Path) -> None:
    client = load(folder, "front-proxy-client")
    assert (client.subject.rfc4514_string(), client.issuer.rfc4514_string()) == ("CN=front-proxy-client", "CN=front-proxy-ca")
    with pytest.raises(Exception):  # noqa: B017, PT011 - cryptography has several for this
        client.verify_directly_issued_by(load(folder, "ca"))


def test_servers_bear_their_names_and_clients_their_groups(folder: Path) -> None:
    server = load(folder, "apiserver")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)
    assert "10.222.0.1" in [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    kubelet = load(folder, "kubelet")
    assert kubelet.subject.rfc4514_string() == "CN=system:node:node-1,O=system:nodes"
    uses = kubelet.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} == set(uses)
    assert load(folder, "admin").subject.rfc4514_string() == "CN=kubernetes-admin,O=kubeadm:cluster-admins"
    masters = [leaf.file for leaf in LEAVES if "system:masters" in load(folder, leaf.file).subject.rfc4514_string()]
    assert masters == ["super-admin"]


def test_only_root_reads_keys(folder: Path) -> None:
    keys = [*folder.glob("*.key")]
    assert len(keys) == len(LEAVES) + 3
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


def test_what_fits_is_kept(folder: Path, clock: VirtualClock) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make(folder, clock)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


async def test_what_soon_ends_is_renewed_by_the_same_authority(folder: Path, clock: VirtualClock) -> None:
    before, authority = load(folder, "admin"), load(folder, "ca")
    assert not certificates.is_due(folder, LEAVES, clock)
    await clock.advance(timedelta(days=300).total_seconds())
    assert certificates.is_due(folder, LEAVES, clock)
    make(folder, clock)
    assert not certificates.is_due(folder, LEAVES, clock)
    assert load(folder, "admin").not_valid_after_utc > before.not_valid_after_utc
    assert load(folder, "ca") == authority


async def test_what_a_clock_made_that_was_ahead_is_renewed(folder: Path, clock: VirtualClock) -> None:
    ahead = VirtualClock(clock.now())
    await ahead.advance(timedelta(days=300).total_seconds())
    make(folder, ahead)
    assert certificates.is_due(folder, LEAVES, clock)
    make(folder, clock)
    assert load(folder, "admin").not_valid_before_utc <= clock.now()


@pytest.mark.parametrize("days", [-1, 3660], ids=["before the cluster was made", "after its authority ended"])
def test_a_clock_that_is_wrong_is_told(folder: Path, clock: VirtualClock, days: int) -> None:
    wrong = VirtualClock(clock.now() + timedelta(days=days))
    for begun in (lambda: certificates.is_due(folder, LEAVES, wrong), lambda: make(folder, wrong)):
        with pytest.raises(ClusterFailure, match="the clock says") as caught:
            begun()
        assert caught.value.remedy == "set the clock right (date shows it), then run it again"


def test_other_names_need_another_certificate(folder: Path, clock: VirtualClock) -> None:
    before = load(folder, "apiserver"), load(folder, "admin")
    make(folder, clock, certificates.subjects("node-1", "10.222.255.2", ["127.0.0.1", "10.223.0.1"], "cluster.local"))
    assert load(folder, "apiserver") != before[0]
    assert load(folder, "admin") == before[1]


def test_the_authority_lasts_ten_years(folder: Path) -> None:
    authority = load(folder, "ca")
    assert (authority.not_valid_after_utc - authority.not_valid_before_utc).days == 3650


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("ca.crt", b"nonsense", id="authority's certificate"),
        pytest.param("ca.key", b"", id="authority's key"),
        pytest.param("ca.key", "admin.key", id="a key that is not the authority's"),
        pytest.param("ca.key", "sa.key", id="a key of another kind in the authority's place"),
        pytest.param("sa.key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", id="key of tokens"),
        pytest.param("sa.key", "ca.key", id="a key of another kind in that one's place"),
    ],
)
def test_what_others_rely_on_is_not_made_anew_when_it_is_damaged(
    folder: Path, clock: VirtualClock, file: str, content: bytes | str
) -> None:
    (folder / file).write_bytes(content if isinstance(content, bytes) else (folder / content).read_bytes())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ClusterFailure, match=f"{file} is damaged") as caught:
        make(folder, clock)
    assert str(folder / file) in caught.value.problem
    assert "put its copy back" in caught.value.remedy
    assert f"pilothouse down --name {folder.parent.name})" in caught.value.remedy
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    for each in [folder / "ca.crt", folder / "ca.key"] if file.startswith("ca.") else [folder / file]:
        assert str(each) in caught.value.remedy
        each.unlink()
    make(folder, clock)
    load(folder, "admin").verify_directly_issued_by(load(folder, "ca"))


@pytest.mark.parametrize("content", [b"", b"nonsense", "admin"], ids=["empty", "nonsense", "another's"])
@pytest.mark.parametrize("suffix", ["crt", "key"])
def test_a_damaged_leaf_is_made_anew(folder: Path, clock: VirtualClock, suffix: str, content: bytes | str) -> None:
    kept = load(folder, "ca"), load(folder, "admin")
    (folder / f"proxy.{suffix}").write_bytes(content if isinstance(content, bytes) else (folder / f"{content}.{suffix}").read_bytes())
    make(folder, clock)
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(folder / "proxy.crt", folder / "proxy.key")
    assert (load(folder, "ca"), load(folder, "admin")) == kept
