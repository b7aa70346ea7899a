"""Bootstrap tokens: which Secrets are those of valid ones, and how they sign."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from pilothouse.api import bootstraptokens
from pilothouse.api.types.core_v1 import Secret
from pilothouse.machinery.meta_v1 import ObjectMeta

NOW = datetime(2025, 1, 1, tzinfo=UTC)
TOKEN = "abcdef.0123456789abcdef"
DATA = {
    "token-id": "abcdef",
    "token-secret": "0123456789abcdef",
    "usage-bootstrap-authentication": "true",
    "usage-bootstrap-signing": "true",
}


def token_secret(name: str = "bootstrap-token-abcdef", type: str = bootstraptokens.TYPE, **changes: str) -> Secret:
    """The Secret of a token; underscores in names of data stand for dashes."""
    data = DATA | {key.replace("_", "-"): value for key, value in changes.items()}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return Secret(metadata=ObjectMeta(name=name, namespace="kube-system", uid=name), type=type, data=encoded)


SOON, BEFORE = "2025-01-01T01:00:00Z", "2024-12-31T23:59:59Z"


@pytest.mark.parametrize(
    ("secret", "token", "lets_in", "signs"),
    [
        pytest.param(token_secret(), TOKEN, True, True, id="valid"),
        pytest.param(token_secret(expiration=SOON), TOKEN, True, True, id="valid yet"),
        pytest.param(token_secret(expiration=BEFORE), TOKEN, False, False, id="expired"),
        pytest.param(token_secret(expiration="2025-01-01T00:00:00Z"), TOKEN, False, False, id="expires now"),
        pytest.param(token_secret(expiration="soon"), TOKEN, False, False, id="a time that cannot be read"),
        pytest.param(token_secret(expiration="2025-01-01T02:00:00+02:00"), TOKEN, False, False, id="a time of another zone"),
        pytest.param(token_secret(), "abcdef.0123456789abcdee", False, True, id="another secret"),
        pytest.param(token_secret(), "abcdef.0123456789ABCDEF", False, True, id="capitals"),
        pytest.param(token_secret(), f"{TOKEN}\n", False, True, id="a line break"),
        pytest.param(token_secret(type="Opaque"), TOKEN, False, False, id="another type"),
        pytest.param(token_secret(token_id="ghijkl"), TOKEN, False, False, id="another id"),
        pytest.param(token_secret(name="bootstrap-token-ghijkl"), TOKEN, True, False, id="another name"),
        pytest.param(token_secret(usage_bootstrap_authentication="True"), TOKEN, False, True, id="may not let in"),
        pytest.param(token_secret(usage_bootstrap_signing=""), TOKEN, True, False, id="may not sign"),
    ],
)
def test_what_a_token_may_do(secret: Secret, token: str, lets_in: bool, signs: bool) -> None:
    assert bootstraptokens.authenticates(secret, token, NOW) is lets_in
    assert (bootstraptokens.signing_token(secret, NOW) is not None) is signs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("system:bootstrappers",)),
        (
            "system:bootstrappers:b,system:bootstrappers:a-1:x",
            ("system:bootstrappers", "system:bootstrappers:a-1:x", "system:bootstrappers:b"),
        ),
        ("system:masters", None),
        ("system:bootstrappers:", None),
        ("system:bootstrappers:a,", None),
        ("system:bootstrappers:A", None),
    ],
)
def test_groups_lie_below_that_of_bootstrappers(text: str, expected: tuple[str, ...] | None) -> None:
    secret = token_secret(auth_extra_groups=text)
    if expected is None:
        with pytest.raises(ValueError, match="is invalid"):
            bootstraptokens.groups_of(secret)
    else:
        assert bootstraptokens.groups_of(secret) == expected


def test_a_signature_is_upstreams() -> None:
    content = "Hello from the other side. I must have called a thousand times."
    expected = "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"
    assert bootstraptokens.signature(content, "joshua", "my voice is my passcode") == expected


def test_signatures_follow_the_tokens() -> None:
    data = {"kubeconfig": "x", "jws-kubeconfig-gone00": "old", "other": "kept"}
    secrets = [token_secret(), token_secret(name="bootstrap-token-ghijkl", token_id="ghijkl", expiration=BEFORE)]
    signed = bootstraptokens.signed(data, secrets, NOW)
    expected = bootstraptokens.signature("x", "abcdef", "0123456789abcdef")
    assert signed == {"kubeconfig": "x", "other": "kept", "jws-kubeconfig-abcdef": expected}
    assert bootstraptokens.signed(signed, secrets, NOW + timedelta(hours=1)) == signed
    assert bootstraptokens.signed({"other": "kept"}, secrets, NOW) == {"other": "kept"}
