"""Secret: confidential data for Pods.

`stringData` is a way to write, never stored: it goes into `data` before anything else looks at the object.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from pilothouse.api.core.validation.data import MAXIMUM_BYTES, decoded_size, validate_frozen
from pilothouse.api.core.validation.fields import immutable, report
from pilothouse.api.core.warnings.keypairs import pair_error
from pilothouse.api.types.core_v1 import Secret
from pilothouse.machinery import codec, names
from pilothouse.machinery.octets import decoded
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy

OPAQUE = "Opaque"
SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
SERVICE_ACCOUNT_UID = "kubernetes.io/service-account.uid"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
DOCKER_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
SSH_AUTH, SSH_KEY = "kubernetes.io/ssh-auth", "ssh-privatekey"
TLS, TLS_KEYS = "kubernetes.io/tls", ("tls.crt", "tls.key")
JSON_SORTS: dict[type, str] = {list: "array", str: "string", bool: "bool"}
REDACTED = "<secret contents redacted>"

SECRET = Resource(
    Secret,
    plural="secrets",
    columns=(Column("Type", lambda secret: secret.type), Column("Data", lambda secret: len(secret.data)), AGE),
    selectable_fields={"type": lambda secret: secret.type},
    strategy=Strategy(validates_generate_name=True, generation=None, compares_first=True),
)


@SECRET.default
def default(secret: Secret) -> None:
    """Type Opaque; `stringData` moves into `data`. Upstream: SetDefaults_Secret and the strategy's dropping of stringData."""
    secret.type = secret.type or OPAQUE
    for key, value in secret.stringData.items():
        secret.data[key] = base64.b64encode(value.encode()).decode()
    secret.stringData = {}


@SECRET.validate
def validate(secret: Secret, problems: Problems) -> None:
    """Keys, base64 values, 1 MiB in total, and the keys that the type requires. Upstream: ValidateSecret."""
    data = problems.at("data")
    size = 0
    for key, value in secret.data.items():
        here = data.at(f"[{key}]")
        report(names.config_map_key(key), key, here)
        size += decoded_size(value, here)
    if size > MAXIMUM_BYTES:
        data.too_long(MAXIMUM_BYTES)
    _validate_type(secret, problems)


def _validate_type(secret: Secret, problems: Problems) -> None:
    """What a type promises must be there."""
    data = problems.at("data")
    match secret.type:
        case "kubernetes.io/service-account-token":
            if not secret.metadata.annotations.get(SERVICE_ACCOUNT_NAME):
                problems.at("metadata", "annotations", f"[{SERVICE_ACCOUNT_NAME}]").required()
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
            _validate_docker(secret.data, DOCKER_KEYS[secret.type], data)
        case "kubernetes.io/basic-auth":
            if "username" not in secret.data and "password" not in secret.data:
                data.at("[username]").required()
                data.at("[password]").required()
        case "kubernetes.io/ssh-auth":
            if not secret.data.get(SSH_KEY):
                data.at(f"[{SSH_KEY}]").required()
        case "kubernetes.io/tls":
            for key in TLS_KEYS:
                if key not in secret.data:
                    data.at(f"[{key}]").required()


def _validate_docker(data: dict[str, str], key: str, problems: Problems) -> None:
    here = problems.at(f"[{key}]")
    if key not in data:
        here.required()
        return
    try:
        content = codec.parse(decoded(data[key]) or b"")
    except ValueError as error:
        here.invalid(REDACTED, str(error))
        return
    if content is not None and not isinstance(content, dict):
        sort = JSON_SORTS.get(type(content), "number")
        here.invalid(REDACTED, f"json: cannot unmarshal {sort} into Go value of type map[string]interface {{}}")


@SECRET.warn
def warn(new: Secret, old: Secret | None) -> Iterator[str]:
    """A warning for a TLS certificate that does not fit its key."""
    if new.type == TLS:
        wrong = pair_error(*(decoded(new.data.get(key, "")) or b"" for key in TLS_KEYS))
        if wrong:
            yield wrong


@SECRET.validate_update
def validate_update(old: Secret, new: Secret, problems: Problems) -> None:
    """The type never changes, nor do the data of an immutable Secret. Upstream: ValidateSecretUpdate."""
    immutable(new.type, old.type, problems, "type")
    validate_frozen(old, new, ("data",), problems)
