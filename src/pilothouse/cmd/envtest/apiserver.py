"""`pilothouse apiserver`, and the executable `kube-apiserver` of envtest: an API server alone, started by upstream's flags.

- Serves with `apiserver.crt` and `apiserver.key` of --cert-dir, which are made when they are missing, or with the files that it is given.
- Its store is etcd, or memory without --etcd-servers and where that is envtest's stand-in (stores.py).
- --authorization-mode names who decides, in their order; without it everybody may do everything, as upstream.
- PILOTHOUSE_ENVTEST_CONTROLLERS=1: the controllers run beside it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pilothouse import API_LEVEL
from pilothouse.apiserver.admission.order import ORDER
from pilothouse.apiserver.admission.plugin import Plugin
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.apiserver.audit.options import DEFAULTS, AuditOptions, auditor_of
from pilothouse.apiserver.auth.keys import ServiceAccountKeys
from pilothouse.apiserver.paths.audit_metrics import AuditCollector
from pilothouse.apiserver.registry.encryption import encrypted
from pilothouse.apiserver.registry.settings import Settings
from pilothouse.apiserver.server import ApiServer, ServerTLS, new_event_loop
from pilothouse.apiserver.storage.encryption.effective import Encryption
from pilothouse.apiserver.storage.interface import Storage, StorageFailed
from pilothouse.cmd.api import Api, wire
from pilothouse.cmd.envtest.authentication import authentication_of
from pilothouse.cmd.envtest.authorization import arranged, authorization_of
from pilothouse.cmd.envtest.flags import BadFlag, Flags, help_text, parse
from pilothouse.cmd.envtest.stores import storage_of
from pilothouse.kit import logs
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.component import Component
from pilothouse.kit.entropy import Entropy

CONTROLLERS = "PILOTHOUSE_ENVTEST_CONTROLLERS"
DEFAULT_CERT_DIR = "/var/run/kubernetes"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit status 1 for flags that cannot be used and for what hinders the start."""
    flags = parse(sys.argv[1:] if arguments is None else arguments)
    if "help" in flags.values:
        print(help_text())
        return
    if "version" in flags.values:
        print(f"Kubernetes v{API_LEVEL}.0 (Pilothouse)")
        return
    logs.set_up()
    for name in flags.unknown:
        print(f"kube-apiserver: {name} is not known to Pilothouse and has no effect", file=sys.stderr)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(run(flags))
    except (BadFlag, OSError, ValueError, StorageFailed) as error:
        sys.exit(f"Error: {error}")
    except ExceptionGroup as group:
        if not (failed := group.subgroup(StorageFailed)):
            raise
        sys.exit(f"Error: the store failed at the start: {first_of(failed)}")


def first_of(group: BaseExceptionGroup[Any]) -> BaseException:
    """The first exception of a group that is none itself."""
    first: BaseException = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


async def run(flags: Flags) -> None:
    """Serve until a signal asks to end."""
    clock, entropy = SystemClock(), Entropy()
    encryption = encryption_of(flags, clock, entropy)
    await encryption.start()
    storage: Storage = await storage_of(flags, clock)
    if encryption.file is not None:
        storage = encrypted(storage, encryption, flags.last("etcd-prefix", "/registry"))
    try:
        api = wire_by(flags, storage, clock, entropy)
        audit = AuditMetrics()
        given = {name: flags.last(name) for name in DEFAULTS if flags.last(name)}
        auditor = api.registry.auditor = auditor_of(AuditOptions(given), clock, entropy, audit)
        if auditor is not None:
            api = replace(api, components=(*api.components, auditor), collectors=(*api.collectors, AuditCollector(audit)))
        await _serve(flags, api, clock, entropy, encryption)
    finally:
        await storage.close()


def encryption_of(flags: Flags, clock: SystemClock, entropy: Entropy) -> Encryption:
    """Encryption at rest as --encryption-provider-config says. BadFlag for a reload of no file."""
    file, reloads = flags.last("encryption-provider-config"), flags.switch("encryption-provider-config-automatic-reload", False)
    if reloads and not file:
        raise BadFlag("--encryption-provider-config-automatic-reload must be set with --encryption-provider-config")
    return Encryption(clock, entropy, Path(file) if file else None, reloads)


async def _serve(flags: Flags, api: Api, clock: SystemClock, entropy: Entropy, encryption: Encryption) -> None:
    server = ApiServer(
        api.registry,
        clock=clock,
        entropy=entropy,
        tls=tls_of(flags, clock, entropy),
        addresses=[(flags.last("bind-address", "0.0.0.0"), flags.secure_port)],
        authenticators=api.authenticators,
        authorizer=api.authorizer,
        tokens=api.tokens,
        collectors=api.collectors,
    )
    async with asyncio.TaskGroup() as group:
        components: list[Component] = [api.registry, server, encryption, *api.components]
        tasks = [group.create_task(each.run()) for each in components]
        tasks.append(group.create_task(_beside(flags, api, clock, entropy, server)))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, lambda: [task.cancel() for task in tasks])


async def _beside(flags: Flags, api: Api, clock: SystemClock, entropy: Entropy, server: ApiServer) -> None:
    """Once it serves: memory is at rest, and the controllers start where they are asked for."""
    from pilothouse.cmd.process import freeze_memory

    await server.started.wait()
    await api.registry.start()
    if os.environ.get(CONTROLLERS, "") not in ("", "0", "false"):
        from pilothouse.controllers.framework.settings import Settings as ControllerSettings
        from pilothouse.controllers.manager import ControllerManager

        settings = ControllerSettings(
            root_ca=api.registry.store.settings.client_ca,
            service_account_private_key_file=flags.last("service-account-signing-key-file"),
        )
        freeze_memory()
        manager = api.client("system:kube-controller-manager")
        await ControllerManager(manager, clock, entropy, settings, clients=api.controller_client).run()
    freeze_memory()


def wire_by(flags: Flags, storage: Storage, clock: SystemClock, entropy: Entropy) -> Api:
    """Registry, tokens and authorization as the flags say. BadFlag for values that cannot be."""
    flags.switch("allow-privileged", True)  # its word is judged, though it changes nothing
    authorization = authorization_of(flags)
    authority, front_proxy = flags.last("client-ca-file"), flags.last("requestheader-client-ca-file")
    settings = Settings(
        service_ranges=flags.service_ranges,
        node_ports=flags.node_ports,
        api_addresses=flags.api_addresses,
        api_port=flags.secure_port,
        compaction_seconds=flags.seconds("etcd-compaction-interval", "5m"),
        client_ca=Path(authority).read_text() if authority else "",
        front_proxy_ca=Path(front_proxy).read_text() if front_proxy else "",
        request_headers=flags.request_headers,
    )
    allows_all = "AlwaysAllow" in authorization.modes and "authorization-config" not in flags.values
    api = wire(
        storage,
        clock,
        entropy,
        settings,
        keys_of(flags),
        plugins=plugins_of(flags),
        authentication=authentication_of(flags, clock, allows_all=allows_all),
        modes=authorization.modes,
    )
    return arranged(api, authorization, flags, clock, entropy)


def keys_of(flags: Flags) -> ServiceAccountKeys:
    """The keys of ServiceAccount tokens; without a file of one a key of this process's own."""
    signing = flags.last("service-account-signing-key-file")
    if signing:
        keys = ServiceAccountKeys(signing, flags.values.get("service-account-key-file", ()))
        if not keys.public:  # a file that holds no key stops the start
            raise BadFlag("--service-account-key-file holds no keys")
        return keys
    from pilothouse.testing.keys import ProcessKeys

    return ProcessKeys()


def plugins_of(flags: Flags) -> Iterator[type[Plugin]]:
    """The admission plugins that are asked; those that are unknown are warned of."""
    off, on = flags.all("disable-admission-plugins"), flags.all("enable-admission-plugins")
    known = {plugin.name for plugin in ORDER}
    for name in (*off, *on):
        if name not in known:
            print(f"kube-apiserver: the admission plugin {name} is not known to Pilothouse", file=sys.stderr)
    return (plugin for plugin in ORDER if plugin.name in on or (plugin.on_by_default and plugin.name not in off))


def tls_of(flags: Flags, clock: SystemClock, entropy: Entropy) -> ServerTLS:
    """The certificate that is shown, made when there is none; and the authority of clients' certificates."""
    authority, front_proxy = flags.last("client-ca-file"), flags.last("requestheader-client-ca-file")
    certificate, key = flags.last("tls-cert-file"), flags.last("tls-private-key-file")
    if certificate and key:
        return ServerTLS(authority, certificate, key, front_proxy)
    folder = Path(flags.last("cert-dir", DEFAULT_CERT_DIR))
    files = folder / "apiserver.crt", folder / "apiserver.key"
    if not all(file.exists() for file in files):
        from pilothouse.cluster import certificates

        folder.mkdir(parents=True, exist_ok=True)
        names = ["kubernetes.default.svc", "kubernetes.default", "kubernetes", "localhost", "127.0.0.1"]
        names += [name for name in (flags.last("advertise-address"), flags.last("bind-address")) if name and name != "0.0.0.0"]
        leaf = certificates.Subject("apiserver", "kube-apiserver", names=list(dict.fromkeys(names)), client=False)
        certificates.make_leaves(folder, [leaf], clock, entropy)
    return ServerTLS(authority, str(files[0]), str(files[1]), front_proxy)
