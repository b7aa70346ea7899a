"""Certificates for the webhook servers of a test. They are valid in the machine's own time, in which webhooks are called."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServingCertificate:
    """A server's certificate with its key and its authority, as PEM files; `bundle` is what belongs into a `caBundle`."""

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def make(cls, folder: Path, names: Sequence[str]) -> ServingCertificate:
        """Make a certificate for DNS names and addresses in a directory, with its own CA. Raises ValueError without a name."""
        if not names:
            raise ValueError("a server's certificate needs names: the host of its URL, or NAME.NAMESPACE.svc of its Service")
        from pilothouse.cluster import certificates  # late: most tests have no webhook
        from pilothouse.kit.clock import SystemClock
        from pilothouse.kit.entropy import Entropy

        certificates.make_leaves(folder, [certificates.Subject("server", names[0], names=names, client=False)], SystemClock(), Entropy())
        return cls(folder / "server.crt", folder / "server.key", folder / "ca.crt")

    @property
    def bundle(self) -> str:
        """The authority's certificate in base64."""
        return base64.b64encode(self.authority.read_bytes()).decode()

    def context(self) -> ssl.SSLContext:
        """TLS context for a server in Python."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context
