"""Health checks, with upstream's names and order; each checks the part of this server that does that work.

- The store is asked for a key; the caches must have come as far as the store; the tasks of the registry must have made the objects
  that every cluster has; discovery must be able to say what is served.
- A check that waits longer than CHECK_SECONDS has failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pilothouse.apiserver.paths.health import Check, Checks
from pilothouse.apiserver.registry.poststart.hook import Hook
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.storage.encryption.storage import EncryptedStorage
from pilothouse.kit.clock import SystemClock, wait_for

MACHINE = SystemClock()
"""A disk does not answer in the machine's own time, also where a cluster's is virtual."""
CHECK_SECONDS = 2.0
"""Upstream's --etcd-healthcheck-timeout."""
HEALTH_KEY = "/registry/health"
HOOK = "poststarthook/"
STORE, CACHES, STARTED, DISCOVERY, SERVING = "store", "caches", "started", "discovery", "serving"
HOOKS = (
    ("start-apiserver-admission-initializer", STARTED),
    ("generic-apiserver-start-informers", CACHES),
    ("priority-and-fairness-config-consumer", CACHES),
    ("priority-and-fairness-filter", SERVING),
    ("storage-object-count-tracker-hook", STORE),
    ("start-apiextensions-informers", CACHES),
    ("start-apiextensions-controllers", STARTED),
    ("crd-informer-synced", CACHES),
    ("start-system-namespaces-controller", STARTED),
    ("peer-endpoint-reconciler-controller", STARTED),
    ("start-cluster-authentication-info-controller", STARTED),
    ("start-kube-apiserver-identity-lease-controller", STARTED),
    ("start-kube-apiserver-identity-lease-garbage-collector", STARTED),
    ("storage-readiness", STORE),
    ("start-legacy-token-tracking-controller", STARTED),
    ("start-service-ip-repair-controllers", STARTED),
    ("rbac/bootstrap-roles", STARTED),
    ("scheduling/bootstrap-system-priority-classes", STARTED),
    ("priority-and-fairness-config-producer", "priority-and-fairness-config"),
    ("bootstrap-controller", STARTED),
    ("start-kubernetes-service-cidr-controller", "kubernetes-service-cidr"),
    ("start-kube-aggregator-informers", CACHES),
    ("apiservice-status-local-available-controller", "apiservices"),
    ("apiservice-status-remote-available-controller", "apiservices"),
    ("apiservice-registration-controller", STARTED),
    ("apiservice-discovery-controller", DISCOVERY),
    ("kube-apiserver-autoregistration", "apiservices"),
    ("", "apiservices"),
    ("apiservice-openapi-controller", DISCOVERY),
    ("apiservice-openapiv3-controller", DISCOVERY),
)
"""Each hook and what it is looked at by (a part, or a hook of registry/poststart), in upstream's order; the empty one is where
`autoregister-completion` stands."""


@dataclass(frozen=True, slots=True)
class AllChecks:
    """The checks of /healthz, /livez and /readyz."""

    healthy: Checks
    live: Checks
    ready: Checks


def checks_of(
    registry: Registry, is_serving: Callable[[], bool], discovered: Callable[[], bool], stopping: Callable[[], bool], more: Checks
) -> AllChecks:
    """`is_serving` and `stopping` say what the server does, `discovered` whether it knows what it serves. `more` must be ready, too."""
    looks: Mapping[str, Check] = {
        STORE: within(lambda: store_problem(registry)),
        CACHES: within(lambda: caches_problem(registry)),
        STARTED: lambda: "" if registry.started.is_set() else "not finished",
        DISCOVERY: lambda: "" if discovered() else "nothing is served yet",
        SERVING: lambda: "" if is_serving() else "no listener",
        **{name: finished(hook) for name, hook in registry.hooks.items()},
    }
    hooks = {f"{HOOK}{name}" if name else "autoregister-completion": looks.get(look, looks[STARTED]) for name, look in HOOKS}
    base: dict[str, Check] = {"ping": lambda: "", "log": lambda: ""}
    storage = registry.store.storage
    kms: dict[str, Check] = {}
    if isinstance(storage, EncryptedStorage) and storage.encryption.has_plugins:
        kms = {"kms-providers": storage.encryption.check}
    live = {**base, "loopback-serving-certificate": looks[SERVING], "etcd": looks[STORE], **kms, **hooks}
    shutdown: Check = lambda: "process is shutting down" if stopping() else ""  # noqa: E731
    ready = {**base, "etcd": looks[STORE], "etcd-readiness": looks[STORE], **kms, "informer-sync": looks[CACHES], **hooks, **more}
    return AllChecks(live, live, {**ready, "shutdown": shutdown})


def finished(hook: Hook) -> Check:
    """The check that a hook has done its work once."""
    return lambda: "" if hook.reconciled.is_set() else "not finished"


def within(ask: Callable[[], Awaitable[str]]) -> Check:
    """The check, or that it takes too long."""

    async def check() -> str:
        try:
            return await wait_for(MACHINE, ask(), CHECK_SECONDS)
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"

    return check


async def store_problem(registry: Registry) -> str:
    """The store answers a read; what it fails with is the problem."""
    await registry.store.storage.get(HEALTH_KEY)
    return ""


async def caches_problem(registry: Registry) -> str:
    """Check that the caches catch up with the store."""
    await registry.store.caches.wait_for_revision(await registry.store.storage.revision())
    return ""
