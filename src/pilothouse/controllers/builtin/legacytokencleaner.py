"""Cleans up unused legacy ServiceAccount tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pilothouse.api import legacytokens
from pilothouse.api.core.secret import SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_TOKEN, SERVICE_ACCOUNT_UID
from pilothouse.api.types.core_v1 import ConfigMap, Pod, Secret, ServiceAccount
from pilothouse.controllers.framework.actions import Action, Delete, Patch, RequeueAfter
from pilothouse.controllers.framework.controller import DELETE, READ, Controller, Reads, Rule
from pilothouse.controllers.framework.world import World
from pilothouse.machinery import codec, time

SYNC_SECONDS = 24 * 3600.0


class LegacyTokenCleaner(Controller):
    """Marks a legacy token invalid that was not used for a year, and deletes it after another; only auto-generated tokens that no Pod
    mounts.
    """

    name = "legacy-serviceaccount-token-cleaner-controller"
    account = "legacy-service-account-token-cleaner"
    reconciles = Secret
    watches = (Reads(ServiceAccount), Reads(ConfigMap), Reads(Pod))
    rules = (
        Rule("", ("secrets",), (*READ, *DELETE, "patch")),
        Rule("", ("serviceaccounts", "pods", "configmaps"), READ),
    )

    def concerns(self, obj: Secret) -> bool:
        """Only tokens of ServiceAccounts are looked at."""
        return obj.type == SERVICE_ACCOUNT_TOKEN

    def plan(self, secret: Secret, world: World) -> Iterator[Action]:
        """Mark or delete the token; else plan again the next day."""
        if not self.concerns(secret) or secret.metadata.deletionTimestamp:
            return
        yield RequeueAfter(SYNC_SECONDS)
        period = timedelta(seconds=world.settings.legacy_service_account_token_clean_up_period_seconds)
        if not _is_tracked(world, period) or not _is_unused(secret, world.now - period) or not _is_auto_generated(secret, world):
            return
        if secret.metadata.name in mounted_secrets(world.list(Pod, secret.metadata.namespace)):
            return
        since = secret.metadata.labels.get(legacytokens.INVALID_SINCE, "")
        if _day(since) is None:
            labels = {legacytokens.INVALID_SINCE: f"{world.now:%Y-%m-%d}"}
            yield Patch(secret, {"metadata": {"uid": secret.metadata.uid, "labels": labels}})
        elif since < f"{world.now - period:%Y-%m-%d}":
            yield Delete(secret)


def _is_tracked(world: World, period: timedelta) -> bool:
    """Whether uses have been noted for long enough to tell."""
    config_map = world.get(ConfigMap, legacytokens.TRACKING_NAMESPACE, legacytokens.TRACKING)
    since = _day(config_map.data.get(legacytokens.SINCE, "")) if config_map is not None else None
    return since is not None and world.now >= datetime(since.year, since.month, since.day, tzinfo=UTC) + timedelta(days=1) + period


def _is_unused(secret: Secret, limit: datetime) -> bool:
    """Whether a token was neither made nor used since."""
    used = secret.metadata.labels.get(legacytokens.LAST_USED)
    if time.parse(secret.metadata.creationTimestamp or "") >= limit:
        return False
    return used is None or (_day(used) is not None and used < f"{limit:%Y-%m-%d}")


def _is_auto_generated(secret: Secret, world: World) -> bool:
    annotations = secret.metadata.annotations
    account = world.get(ServiceAccount, secret.metadata.namespace, annotations.get(SERVICE_ACCOUNT_NAME, ""))
    if account is None or annotations.get(SERVICE_ACCOUNT_UID, account.metadata.uid) != account.metadata.uid:
        return False
    return any(reference.name == secret.metadata.name for reference in account.secrets)


def mounted_secrets(pods: list[Pod]) -> set[str]:
    """The names of the Secrets that Pods refer to, wherever they do."""
    return {name for pod in pods for name in _names_in(codec.to_dict(pod.spec))}


def _names_in(value: Any) -> Iterator[str]:
    """The Secrets that a piece of a Pod's spec names: by a reference, a volume, or for pulling images."""
    if isinstance(value, list):
        for child in value:
            yield from _names_in(child)
    if not isinstance(value, dict):
        return
    for key, child in value.items():
        if key == "secretName" and isinstance(child, str):
            yield child
        elif isinstance(child, dict) and (key == "secret" or key.lower().endswith(("secretref", "secretkeyref"))):
            yield from filter(None, (child.get("name"), child.get("secretName")))
        elif key == "imagePullSecrets":
            yield from (str(each.get("name")) for each in child)
        else:
            yield from _names_in(child)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2006-01-02") else None
    except ValueError:
        return None
