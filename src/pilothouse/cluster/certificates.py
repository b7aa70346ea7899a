"""The cluster's own authorities and what they sign, as kubeadm lays them out below `pki/`: `ca`, and `front-proxy-ca` for the API server's
client certificate towards extension API servers, which believe what it says of the user.

- Keys are EC P-256 (made in under a millisecond); the key of service account tokens is RSA, since tokens say RS256.
- Every certificate bears SKI and AKI, servers bear SANs. Authorities last ten years, leaves one.
- What stands and still fits is kept: making the PKI again is idempotent. Private keys are readable by root only.
- A damaged leaf is made anew; a damaged authority or key of tokens is not, since others hold what it signed: that is for people to decide.

The names in the certificates are the users that apiserver/auth knows.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pilothouse.cluster.failure import ClusterFailure
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy

Loaded = TypeVar("Loaded")

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
AUTHORITIES = {"ca": "kubernetes", "front-proxy-ca": "front-proxy-ca"}
"""The common names of the authorities by their files."""
FRONT_PROXY = "front-proxy-client"
CLUSTER_ADMINS = "kubeadm:cluster-admins"
"""The group of the administrator, bound to `cluster-admin`: taking the binding away takes the right away, as with kubeadm. Whoever is in
`system:masters` may do everything for as long as his certificate is valid."""
RENEW_BEFORE = timedelta(days=90)
CLOCK_SKEW = timedelta(minutes=5)
"""Certificates are valid from this long ago."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Subject of a certificate; `client` and `server` are its usages."""

    file: str
    common_name: str
    organizations: Sequence[str] = ()
    names: Sequence[str] = ()
    """DNS names and addresses that a server answers to."""
    client: bool = True
    authority: str = "ca"
    """The file of the authority that signs it."""

    @property
    def server(self) -> bool:
        """Whether the certificate is for a server: it then has names."""
        return bool(self.names)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


FRONT_PROXY_CLIENT = Subject(FRONT_PROXY, FRONT_PROXY, authority="front-proxy-ca")


def subjects(node_name: str, node_address: str, api_addresses: Sequence[str], domain: str) -> list[Subject]:
    """Every leaf of a cluster of one node."""
    api_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}", "localhost"]
    return [
        Subject("apiserver", "kube-apiserver", names=[*api_names, *api_addresses], client=False),
        Subject("apiserver-kubelet-client", "kube-apiserver-kubelet-client"),
        Subject("kubelet", f"system:node:{node_name}", ["system:nodes"], [node_name, node_address]),
        Subject("proxy", "system:kube-proxy"),
        Subject("dns", "pilothouse:dns"),
        Subject("controller-manager", "system:kube-controller-manager"),
        Subject("scheduler", "system:kube-scheduler"),
        Subject("admin", "kubernetes-admin", [CLUSTER_ADMINS]),
        Subject("super-admin", "kubernetes-super-admin", ["system:masters"]),
        FRONT_PROXY_CLIENT,
    ]


def make(folder: Path, leaves: Sequence[Subject], clock: Clock, entropy: Entropy) -> None:
    """Bring `folder` up to date: `ca`, every leaf, and the service account key."""
    make_leaves(folder, leaves, clock, entropy)
    make_service_account_key(folder)


def make_leaves(folder: Path, leaves: Sequence[Subject], clock: Clock, entropy: Entropy) -> None:
    """Make the certificates that are missing or about to expire."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    used = dict.fromkeys(["ca", *(leaf.authority for leaf in leaves)])
    authorities = {name: _load_authority(folder, name, clock) or _make_authority(folder, name, clock, entropy) for name in used}
    for leaf in leaves:
        if not _still_good(folder, leaf, authorities[leaf.authority], clock):
            _make_leaf(folder, leaf, authorities[leaf.authority], clock, entropy)


def is_due(folder: Path, leaves: Sequence[Subject], clock: Clock) -> bool:
    """Whether `make_leaves` would make any; processes that use them have to be restarted then."""
    for leaf in leaves:
        authority = _load_authority(folder, leaf.authority, clock)
        if authority is None or not _still_good(folder, leaf, authority, clock):
            return True
    return False


def make_service_account_key(folder: Path) -> None:
    """`sa.key` and `sa.pub`, unless they stand: a tenth of a second, and sometimes three."""
    if (folder / "sa.key").exists():
        if not isinstance(_read(folder / "sa.key", _load_key), rsa.RSAPrivateKey):
            raise _damaged(folder / "sa.key")
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(folder / "sa.pub", public, 0o644)
    _write(folder / "sa.key", _pem(key), 0o600)


def _make_authority(folder: Path, file: str, clock: Clock, entropy: Entropy) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITIES[file])])
    usage = _usage(key_cert_sign=True, crl_sign=True, digital_signature=True)
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key, AUTHORITY_LIFE, clock, entropy)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(ski, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / f"{file}.key", _pem(key), 0o600)
    _write(folder / f"{file}.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return Authority(certificate, key)


def _make_leaf(folder: Path, leaf: Subject, authority: Authority, clock: Clock, entropy: Entropy) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name_of(leaf)
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH] if leaf.server else []
    purposes += [ExtendedKeyUsageOID.CLIENT_AUTH] if leaf.client else []
    issuer_ski = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(name, authority.certificate.subject, key, LEAF_LIFE, clock, entropy)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, key_encipherment=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_ski), critical=False)
    )
    if leaf.names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(each) for each in leaf.names]), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    _write(folder / f"{leaf.file}.key", _pem(key), 0o600)
    _write(folder / f"{leaf.file}.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _name_of(leaf: Subject) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in leaf.organizations]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta, clock: Clock, entropy: Entropy
) -> x509.CertificateBuilder:
    begin = clock.now() - CLOCK_SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(entropy.random.getrandbits(127) | 1)
        .not_valid_before(begin)
        .not_valid_after(begin + life)
    )


def _load_authority(folder: Path, file: str, clock: Clock) -> Authority | None:
    certificate_file, key_file = folder / f"{file}.crt", folder / f"{file}.key"
    if not certificate_file.exists() or not key_file.exists():
        return None
    certificate = _read(certificate_file, x509.load_pem_x509_certificate)
    key = _read(key_file, _load_key)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise _damaged(key_file)
    _check_time(certificate, clock)
    return Authority(certificate, key)


def _check_time(authority: x509.Certificate, clock: Clock) -> None:
    """A machine whose clock was ahead when the cluster was made, or is behind now, would be told of handshakes that fail."""
    begin, end = authority.not_valid_before_utc, authority.not_valid_after_utc
    if not begin <= clock.now() <= end:
        raise ClusterFailure(
            f"the clock says {clock.now():%Y-%m-%d %H:%M}, but the cluster's certificates are good from {begin:%Y-%m-%d %H:%M}"
            f" to {end:%Y-%m-%d %H:%M}, in UTC",
            "set the clock right (date shows it), then run it again",
        )


def _load_key(content: bytes) -> object:
    return serialization.load_pem_private_key(content, password=None, unsafe_skip_rsa_key_validation=True)  # our own, and that is slow


def _read(path: Path, load: Callable[[bytes], Loaded]) -> Loaded:
    try:
        return load(path.read_bytes())
    except UNREADABLE as failure:
        raise _damaged(path) from failure


UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
"""What cryptography raises about content: the second where a key wants a password."""


def _damaged(path: Path) -> ClusterFailure:
    is_authority = path.stem in AUTHORITIES
    kind = "authority" if is_authority else "key"
    files = " and ".join(str(path.with_suffix(suffix)) for suffix in ((".crt", ".key") if is_authority else (".key",)))
    return ClusterFailure(
        f"{path} is damaged, or does not belong to its pair",
        f"put its copy back; without one stop the cluster (pilothouse down --name {path.parents[1].name}), remove {files},"
        f" and `up` makes another {kind}",
    )


def _still_good(folder: Path, leaf: Subject, authority: Authority, clock: Clock) -> bool:
    """Whether the leaf on disk is of this authority, is for whom it should be, bears the names wanted, and is not soon to end."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{leaf.file}.crt").read_bytes())
        key: Any = _load_key((folder / f"{leaf.file}.key").read_bytes())
    except (FileNotFoundError, *UNREADABLE):
        return False
    if key.public_key() != certificate.public_key():
        return False
    if not certificate.not_valid_before_utc <= clock.now() <= certificate.not_valid_after_utc - RENEW_BEFORE:
        return False
    if certificate.issuer != authority.certificate.subject or certificate.subject != _name_of(leaf):
        return False
    if _names_of(certificate) != set(leaf.names):
        return False
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # any reason means: make it anew
        return False
    return True


def _names_of(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(
    *, digital_signature: bool = False, key_encipherment: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable to others for a moment."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
