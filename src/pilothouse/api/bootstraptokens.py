"""Bootstrap tokens: Secrets in kube-system with which nodes join (upstream: cluster-bootstrap). Pure.

Three ask: the API server (whom a token stands for), and two controllers (which Secrets have expired, which sign `cluster-info`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from datetime import datetime

from pilothouse.api.types.core_v1 import Secret
from pilothouse.machinery import time
from pilothouse.machinery.jsonwebkeys import base64url
from pilothouse.machinery.quoting import go_quoted

NAMESPACE, PUBLIC_NAMESPACE = "kube-system", "kube-public"
TYPE = "bootstrap.kubernetes.io/token"
PREFIX = "bootstrap-token-"
TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
NAME = re.compile(rf"{PREFIX}([a-z0-9]{{6}})")
ID, SECRET, EXPIRATION, EXTRA_GROUPS = "token-id", "token-secret", "expiration", "auth-extra-groups"
AUTHENTICATES, SIGNS = "usage-bootstrap-authentication", "usage-bootstrap-signing"
USER, GROUP = "system:bootstrap:", "system:bootstrappers"
GROUP_PATTERN = r"\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\z"
EXTRA_GROUP = re.compile(GROUP_PATTERN[2:-2])
CLUSTER_INFO, KUBECONFIG, SIGNATURE = "cluster-info", "kubeconfig", "jws-kubeconfig-"


def value(secret: Secret, key: str) -> str:
    """Value of a Secret's key, "" when it is missing."""
    try:
        return base64.b64decode(secret.data.get(key, "")).decode(errors="replace")
    except binascii.Error:
        return ""


def seconds_left(secret: Secret, now: datetime) -> float | None:
    """Seconds until the token expires: None for never, 0 when it has expired or its expiration is invalid."""
    text = value(secret, EXPIRATION)
    if not text:
        return None
    try:
        return max(0.0, (time.parse(text) - now).total_seconds())
    except ValueError:
        return 0.0


def groups_of(secret: Secret) -> tuple[str, ...]:
    """The groups that the token gives. ValueError for a group that no token may give."""
    groups = {GROUP}
    if text := value(secret, EXTRA_GROUPS):
        for group in text.split(","):
            if EXTRA_GROUP.fullmatch(group) is None:
                raise ValueError(f"bootstrap group {go_quoted(group)} is invalid (must match {GROUP_PATTERN})")
            groups.add(group)
    return tuple(sorted(groups))


def authenticates(secret: Secret, token: str, now: datetime) -> bool:
    """Whether the Secret is that of a valid token, and lets its bearer in."""
    parts = TOKEN.fullmatch(token)
    if parts is None or secret.type != TYPE or secret.metadata.deletionTimestamp:
        return False
    is_known = hmac.compare_digest(value(secret, SECRET).encode(), parts[2].encode())
    if not is_known or value(secret, ID) != parts[1] or seconds_left(secret, now) == 0:
        return False
    return value(secret, AUTHENTICATES) == "true"


def signing_token(secret: Secret, now: datetime) -> tuple[str, str] | None:
    """Id and secret of a token that signs; None for a Secret of none."""
    name, key = NAME.fullmatch(secret.metadata.name), value(secret, ID)
    if secret.type != TYPE or name is None or name[1] != key or not value(secret, SECRET):
        return None
    if seconds_left(secret, now) == 0 or value(secret, SIGNS) != "true":
        return None
    return key, value(secret, SECRET)


def signature(content: str, key: str, secret: str) -> str:
    """A JSON Web Signature (HS256) of `content`, which is left out of it."""
    head = base64url(json.dumps({"alg": "HS256", "kid": key}, separators=(",", ":")).encode())
    signed = f"{head}.{base64url(content.encode())}".encode()
    return f"{head}..{base64url(hmac.new(secret.encode(), signed, hashlib.sha256).digest())}"


def signed(data: dict[str, str], secrets: Iterable[Secret], now: datetime) -> dict[str, str]:
    """The data of `cluster-info` with the signatures of its kubeconfig by every token that signs, and without any other."""
    content = data.get(KUBECONFIG)
    if content is None:
        return data
    kept = {key: text for key, text in data.items() if not key.startswith(SIGNATURE)}
    tokens: dict[str, str] = {}
    for secret in secrets:
        if (token := signing_token(secret, now)) is not None:
            tokens.setdefault(*token)
    return kept | {f"{SIGNATURE}{key}": signature(content, key, secret) for key, secret in tokens.items()}
