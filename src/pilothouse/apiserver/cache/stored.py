"""Decoding of stored values: our JSON, another API server's JSON, or upstream's protobuf.

kube-apiserver stores built-in kinds in protobuf (`k8s\\x00` before a runtime.Unknown) and reads JSON as well; so both can take over the
other's store, and an object has our form as soon as it is written again.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.protobuf import envelope
from pilothouse.api.protobuf.decoder import decode_message
from pilothouse.machinery.codec import set_type_meta
from pilothouse.machinery.resource import Resource


def object_of(resource: Resource[Any], value: bytes) -> Any:
    """Decode a stored value. Raises ValueError (MsgspecError, too) or RecursionError for an invalid one."""
    if not value.startswith(envelope.MAGIC):
        return resource.decoder.decode(value)
    api_version, kind, message = envelope.decode_envelope(value)
    if kind != resource.kind or api_version.rpartition("/")[0] != resource.group:
        raise ValueError(f'no kind "{resource.kind}" but "{kind}" of version "{api_version}" is stored here')
    obj = set_type_meta(decode_message(message, resource.type))
    for hook in resource.defaults:  # as upstream: an older release stored it without the fields of today
        hook(obj)
    return obj
