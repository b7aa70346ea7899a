"""The cluster's DNS server: answers for the cluster domain from caches that follow the API.

- Answers for `cluster_domain` and the reverse zones of the cluster's ranges never leave the machine, nor do single-label names.
- Other names go to `upstream`, when there is one; without one they are refused at once, so that no client waits.
- Until the caches have synced, the answer is SERVFAIL: clients ask again, and nothing false is remembered.
- Over UDP an answer that does not fit is truncated and asked for again over TCP.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Namespace, Service
from pilothouse.api.types.discovery_v1 import EndpointSlice
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.dns.answers import Authority
from pilothouse.dns.listeners import NEEDS_UPSTREAM, Address, NeedsUpstream, listen
from pilothouse.dns.upstream import Upstream
from pilothouse.dns.wire import (
    BADVERS,
    CLASS_ANY,
    CLASS_IN,
    FORMERR,
    NOTIMP,
    NXDOMAIN,
    QR,
    REFUSED,
    SERVFAIL,
    Answer,
    MalformedMessage,
    Query,
    read_query,
    rotated,
    udp_limit,
    write_answer,
    write_error,
)
from pilothouse.dns.zone import Zone, entry_of
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy

BY_SERVICE = "service"
TTL_SECONDS = 5
"""CoreDNS's own default."""
TCP_BYTES = 65535


class DnsServer:
    """DNS server of the cluster domain over UDP and TCP.

    `addresses` and `upstream` are (ip, port); `ranges` are the cluster's Service and Pod ranges.
    """

    def __init__(
        self,
        client: Client,
        addresses: Sequence[Address],
        cluster_domain: str = "cluster.local",
        *,
        clock: Clock,
        entropy: Entropy | None = None,
        upstream: Sequence[Address] = (),
        ranges: Sequence[str] = (),
        ttl_seconds: int = TTL_SECONDS,
    ) -> None:
        self.started = asyncio.Event()
        """Set when every address is listened on."""
        self.synced = asyncio.Event()
        """Set when the caches are complete."""
        self.bound: list[Address] = []
        """Where it listens; differs from `addresses` where a port 0 was asked for."""
        self._addresses = addresses
        self._clock = clock
        self._zone = Zone()
        self._authority = Authority(self._zone, cluster_domain, ranges, ttl_seconds, [ip for ip, _ in addresses])
        self._upstream = Upstream(upstream, clock, entropy or Entropy()) if upstream else None
        self._namespaces = Informer(client, Namespace, clock=clock)
        self._services = Informer(client, Service, clock=clock)
        self._slices = Informer(client, EndpointSlice, clock=clock)
        self._slices.add_index(BY_SERVICE, lambda endpoint_slice: [f"{endpoint_slice.metadata.namespace}/{service_of(endpoint_slice)}"])
        self._turn = itertools.count()

    async def run(self) -> None:
        """Serve until cancelled. OSError when an address cannot be listened on."""
        self._namespaces.subscribe(self._namespace_event)
        self._services.subscribe(self._service_event)
        self._slices.subscribe(self._slice_event)
        async with asyncio.TaskGroup() as group:
            informers = (self._namespaces, self._services, self._slices)
            for informer in informers:
                group.create_task(informer.run(), name=f"informer of {informer.kind.__name__}")
            async with listen(self._addresses, self, self._clock, group) as self.bound:
                self.started.set()
                for informer in informers:
                    await informer.synced.wait()
                self.synced.set()
                await asyncio.Event().wait()

    # Answering

    def answer_at_once(self, message: bytes, stream: bool) -> bytes | NeedsUpstream | None:
        """The answer if it needs no upstream resolver (listeners.MessageHandler)."""
        try:
            query = read_query(message)
        except MalformedMessage:
            return write_error(message, FORMERR)
        if query.flags & QR:
            return None
        answer = self._refused(query) or self._own(query)
        if answer is not None:
            return self._written(query, answer, stream)
        if self._upstream is not None:
            return self._known_outside(message, query, stream) or NEEDS_UPSTREAM
        return self._written(query, Answer(REFUSED, authoritative=False), stream)

    def _known_outside(self, message: bytes, query: Query, stream: bool) -> bytes | None:
        """What upstream answered before; a Service that stands for a name outside is answered by `answer_later`."""
        assert self._upstream is not None
        return None if self._authority.is_inside(query.name) else self._upstream.remembered(message, query, stream)

    def _refused(self, query: Query) -> Answer | None:
        """What is wrong with a question before its name is looked at."""
        if query.version > 0:
            return Answer(BADVERS, authoritative=False)
        if query.opcode:
            return Answer(NOTIMP, authoritative=False)
        if query.class_ not in (CLASS_IN, CLASS_ANY):
            return Answer(REFUSED, authoritative=False)
        return None

    def _own(self, query: Query) -> Answer | None:
        """The cluster's own answer, complete unless a CNAME leads outside."""
        answer = self._authority.answer(query.name, query.type)
        if answer is None:
            # A single label is what is left of a search list, and nobody's name outside.
            return Answer(NXDOMAIN, authoritative=False) if "." not in query.name and query.name else None
        if not self.synced.is_set():
            return Answer(SERVFAIL, authoritative=False)
        outside = self._authority.follow(answer, query.type)
        if outside and self._upstream is not None:
            return None  # answer_later asks for what the name stands for
        answer.answers = rotated(answer.answers, next(self._turn)) if not _aliased(answer) else answer.answers
        return answer

    async def answer_later(self, message: bytes, stream: bool) -> bytes | None:
        """The answer with upstream's help."""
        assert self._upstream is not None
        query = read_query(message)
        own = self._authority.answer(query.name, query.type)
        if own is None:
            answer = await self._upstream.ask(message, stream)
            return answer if answer is not None else self._written(query, Answer(SERVFAIL, authoritative=False), stream)
        outside = self._authority.follow(own, query.type)
        if not outside:  # it was when the question came: the zone has changed since
            return self._written(query, own, stream)
        own.answers += await self._upstream.addresses(outside, query.type, own.answers[-1].ttl)
        return self._written(query, own, stream)

    def _written(self, query: Query, answer: Answer, stream: bool) -> bytes:
        return write_answer(query, answer, TCP_BYTES if stream else udp_limit(query), recursion=self._upstream is not None)

    # Following the API

    def _namespace_event(self, _: str, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self._zone.namespaces.add(new.metadata.name)
        elif old is not None:
            self._zone.namespaces.discard(old.metadata.name)

    def _service_event(self, _: str, old: Service | None, new: Service | None) -> None:
        service = new or old
        assert service is not None
        self._refresh([(service.metadata.namespace, service.metadata.name)])

    def _slice_event(self, _: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self._refresh({(slice_.metadata.namespace, service_of(slice_)) for slice_ in (old, new) if slice_ is not None})

    def _refresh(self, names: Iterable[tuple[str, str]]) -> None:
        for name in names:
            service = self._services.get(*name)
            entry = None if service is None else entry_of(service, self._slices.by_index(BY_SERVICE, "/".join(name)))
            self._zone.put(name, entry)


def service_of(slice_: EndpointSlice) -> str:
    """The name of the Service that a slice belongs to; empty when it belongs to none."""
    return slice_.metadata.labels.get(wellknown.SERVICE_NAME, "")


def _aliased(answer: Answer) -> bool:
    return any(record.target for record in answer.answers[:1])
