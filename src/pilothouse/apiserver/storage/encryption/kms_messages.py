"""The protobuf messages of KMS version 2 (k8s.io/kms/apis/v2), and of the envelope that values are stored in.

Made at run time from a table of fields: two dozen numbers need no generated module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

BYTES, STRING, ENUM, MAP = 12, 9, 5, 11
"""Types of fields; the enumeration is read as the number that it is."""
KEY, SEED = 0, 1
"""`encryptedDEKSourceType`: a key of AES-GCM, or a seed that keys are derived from."""
MESSAGES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "EncryptedObject": {
        "encryptedData": (1, BYTES),
        "keyID": (2, STRING),
        "encryptedDEKSource": (3, BYTES),
        "annotations": (4, MAP),
        "encryptedDEKSourceType": (5, ENUM),
    },
    "StatusRequest": {},
    "StatusResponse": {"version": (1, STRING), "healthz": (2, STRING), "key_id": (3, STRING)},
    "DecryptRequest": {"ciphertext": (1, BYTES), "uid": (2, STRING), "key_id": (3, STRING), "annotations": (4, MAP)},
    "DecryptResponse": {"plaintext": (1, BYTES)},
    "EncryptRequest": {"plaintext": (1, BYTES), "uid": (2, STRING)},
    "EncryptResponse": {"ciphertext": (1, BYTES), "key_id": (2, STRING), "annotations": (3, MAP)},
}
SERVICE = "v2.KeyManagementService"


def _made() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="pilothouse/kms.proto", package="v2", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            added = message.field.add(name=field, number=number, type=kind, label=3 if kind == MAP else 1, json_name=field)
            if kind == MAP:
                entry = message.nested_type.add(name="AnnotationsEntry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, type=STRING, label=1)
                entry.field.add(name="value", number=2, type=BYTES, label=1)
                added.type_name = f".v2.{name}.AnnotationsEntry"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"v2.{name}")) for name in MESSAGES}


CLASSES = _made()
EncryptedObject: Any = CLASSES["EncryptedObject"]


class Status(NamedTuple):
    """What a plugin says of itself."""

    version: str
    healthz: str
    key_id: str


class Encrypted(NamedTuple):
    """What a plugin has made of a seed."""

    ciphertext: bytes
    key_id: str
    annotations: Mapping[str, bytes]


def encrypted_object(data: bytes, key_id: str, ciphertext: bytes, annotations: Mapping[str, bytes]) -> bytes:
    """An envelope: a value under a seed, with what the plugin needs to decrypt that."""
    made = EncryptedObject(encryptedData=data, keyID=key_id, encryptedDEKSource=ciphertext, encryptedDEKSourceType=SEED)
    for name, value in annotations.items():
        made.annotations[name] = value
    envelope: bytes = made.SerializeToString()
    return envelope
