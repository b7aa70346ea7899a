"""The roles and bindings that every cluster has from the start (upstream's bootstrappolicy), read from the table `bootstrap.tsv`.

A line of the table: the first API level that has the object, the last one ("" while it stands), and the object's JSON. The rules of
`admin`, `edit` and `view` are what the ClusterRoles that they select make together.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from pilothouse import API_LEVEL
from pilothouse.api.types.rbac_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from pilothouse.machinery.codec import decoder_of

KINDS = {kind.GVK[2]: kind for kind in (ClusterRole, ClusterRoleBinding, Role, RoleBinding)}
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""The annotation of what is reconciled at each start; "false" leaves an object as it is."""
TABLE = "bootstrap.tsv"


class _Head(msgspec.Struct):
    kind: str


@cache
def bootstrap_objects(level: str = API_LEVEL) -> tuple[Any, ...]:
    """The objects of an API level, ClusterRoles first. They are shared: nobody may change them."""
    return tuple(_objects(level))


def _objects(level: str) -> Iterator[Any]:
    kind_of = msgspec.json.Decoder(_Head)
    for line in (resources.files(__package__) / TABLE).read_bytes().splitlines():
        since, until, value = line.split(b"\t", 2)
        if since.decode() <= level and (not until or level <= until.decode()):
            yield decoder_of(KINDS[kind_of.decode(value).kind]).decode(value)
