from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pilothouse.cluster import certificates
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
    authority, certificate = load(folder, "ca"), load(folder, leaf.file)
    certificate.verify_directly_issued_by(authority)
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own
    assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_servers_bear_their_names_and_clients_their_groups(folder: Path) -> None:
    server = load(folder, "apiserver")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)
    assert "10.222.0.1" in [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    kubelet = load(folder, "kubelet")
    assert kubelet.subject.rfc4514_string() == "CN=system:node:node-1,O=system:nodes"
    uses = kubelet.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} == set(uses)
    assert load(folder, "admin").subject.rfc4514_string() == "CN=kubernetes-admin,O=system:masters"


def test_only_root_reads_keys(folder: Path) -> None:
    keys = [*folder.glob("*.key")]
    assert len(keys) == len(LEAVES) + 2
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


def test_what_fits_is_kept(folder: Path, clock: VirtualClock) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make(folder, clock)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


async def test_what_soon_ends_is_renewed_by_the_same_authority(folder: Path, clock: VirtualClock) -> None:
    before, authority = load(folder, "admin"), load(folder, "ca")
    await clock.advance(timedelta(days=300).total_seconds())
    make(folder, clock)
    assert load(folder, "admin").not_valid_after_utc > before.not_valid_after_utc
    assert load(folder, "ca") == authority


def test_other_names_need_another_certificate(folder: Path, clock: VirtualClock) -> None:
    before = load(folder, "apiserver"), load(folder, "admin")
    make(folder, clock, certificates.subjects("node-1", "10.222.255.2", ["127.0.0.1", "10.223.0.1"], "cluster.local"))
    assert load(folder, "apiserver") != before[0]
    assert load(folder, "admin") == before[1]


def test_the_authority_lasts_ten_years(folder: Path) -> None:
    authority = load(folder, "ca")
    assert (authority.not_valid_after_utc - authority.not_valid_before_utc).days == 3650
