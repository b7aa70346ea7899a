"""Tokens of old that nobody uses: which of them are marked invalid, which are deleted."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import legacytokens
from pilothouse.api.types.core_v1 import ConfigMap, Pod, Secret, ServiceAccount
from pilothouse.controllers.builtin.legacytokencleaner import LegacyTokenCleaner, mounted_secrets
from pilothouse.controllers.framework.actions import Delete, Patch
from pilothouse.machinery import codec
from pilothouse.testing.controllers import planned

OLD, NEW = "2023-06-01T00:00:00Z", "2024-06-01T00:00:00Z"
YEAR_AGO = "2024-01-01"
"""A year of 366 days before the first moment of tests, less one day: the last date that is kept is 2024-01-02."""


def token(created: str = OLD, used: str = "", invalid: str = "", account: str = "robot", uid: str = "u", **meta: Any) -> Secret:
    labels = {key: value for key, value in ((legacytokens.LAST_USED, used), (legacytokens.INVALID_SINCE, invalid)) if value}
    annotations = {"kubernetes.io/service-account.name": account, "kubernetes.io/service-account.uid": uid}
    full = {"name": "t", "namespace": "n", "uid": "t", "creationTimestamp": created, "labels": labels, "annotations": annotations, **meta}
    return codec.from_dict({"metadata": full, "type": "kubernetes.io/service-account-token"}, Secret)


def world(since: str = "2023-12-01", mounts: str = "other", lists: str = "t") -> list[Any]:
    tracking = {"metadata": {"name": legacytokens.TRACKING, "namespace": "kube-system"}, "data": {"since": since}}
    account = {"metadata": {"name": "robot", "namespace": "n", "uid": "u"}, "secrets": [{"name": lists}]}
    volumes = [{"name": "v", "secret": {"secretName": mounts}}]
    pod = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": [], "volumes": volumes}}
    return [codec.from_dict(tracking, ConfigMap), codec.from_dict(account, ServiceAccount), codec.from_dict(pod, Pod)]


@pytest.mark.parametrize(
    ("secret", "objects", "expected"),
    [
        pytest.param(token(), world(), Patch, id="never used"),
        pytest.param(token(used=YEAR_AGO), world(), Patch, id="used long ago"),
        pytest.param(token(used="2024-01-02"), world(), None, id="used within the year"),
        pytest.param(token(used="lately"), world(), None, id="used nobody knows when"),
        pytest.param(token(created=NEW), world(), None, id="young"),
        pytest.param(token(), world(since="2024-01-02"), None, id="not tracked for long enough"),
        pytest.param(token(), world(since="x"), None, id="tracked nobody knows since when"),
        pytest.param(token(), world(lists="other"), None, id="made by hand"),
        pytest.param(token(uid="other"), world(), None, id="of an earlier account"),
        pytest.param(token(account="gone"), world(), None, id="of no account"),
        pytest.param(token(), world(mounts="t"), None, id="mounted"),
        pytest.param(token(invalid=YEAR_AGO), world(), Delete, id="invalid for a year"),
        pytest.param(token(invalid="2024-06-01"), world(), None, id="invalid since lately"),
        pytest.param(token(invalid="x"), world(), Patch, id="invalid nobody knows since when"),
        pytest.param(token(deletionTimestamp=NEW), world(), None, id="going"),
    ],
)
def test_plan(secret: Secret, objects: list[Any], expected: type[Any] | None) -> None:
    actions = planned(LegacyTokenCleaner(), secret, *objects)
    assert [type(action) for action in actions if isinstance(action, (Patch, Delete))] == ([expected] if expected else [])
    for action in actions:
        if isinstance(action, Patch):
            assert action.patch == {"metadata": {"uid": "t", "labels": {legacytokens.INVALID_SINCE: "2025-01-01"}}}


def test_secrets_of_a_pod_are_found_wherever_they_are_named() -> None:
    env = [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}]
    spec = {
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [{"name": "c", "env": env, "envFrom": [{"secretRef": {"name": "all"}}]}],
        "volumes": [
            {"name": "a", "secret": {"secretName": "volume"}},
            {"name": "b", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
            {"name": "c", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi"}}},
            {"name": "d", "azureFile": {"secretName": "azure", "shareName": "s"}},
        ],
    }
    pod = codec.from_dict({"metadata": {"name": "p"}, "spec": spec}, Pod)
    assert mounted_secrets([pod]) == {"pull", "key", "all", "volume", "projected", "csi", "azure"}
