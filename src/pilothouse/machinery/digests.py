"""How metrics name what they do not show: the bytes of files, the ids of servers, keys and issuers.

Upstream: `apiserver_id_hash` and the hashes of configurations in k8s.io/apiserver.
"""

from __future__ import annotations

import platform
from hashlib import sha256

SERVER_ID = f"apiserver-{platform.node()}"
"""The id of an API server on this machine."""


def digest_of(text: str | bytes) -> str:
    """`sha256:` and the digest in hexadecimal; "" of nothing."""
    data = text.encode() if isinstance(text, str) else text
    return f"sha256:{sha256(data).hexdigest()}" if data else ""
